{
  "target_defaults": {
    "cflags": ["-O2", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-fvisibility=hidden"],
    "cflags_cc": ["-std=c++17"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"]
  },
  "targets": [
    {
      "target_name": "holdfast",
      "sources": [
        "native/addon.cc",
        "native/corosync.cc",
        "native/corosync_channel.cc",
        "native/corosync_configuration.cc",
        "native/corosync_cpg.cc",
        "native/corosync_errors.cc",
        "native/corosync_quorum.cc",
        "native/corosync_session.cc",
        "native/corosync_thread.cc",
        "native/device_binding.cc",
        "native/emulated_device.cc",
        "native/emulator_client.cc",
        "native/emulator_query.cc",
        "native/keeper.cc",
        "native/keeper_binding.cc",
        "native/keeper_memory.cc",
        "native/kernel_device.cc",
        "native/system.cc"
      ],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include\")"],
      "defines": ["NAPI_VERSION=9", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "ldflags": ["-Wl,-z,now,-z,nodelete"],
      "libraries": ["-lcpg", "-lquorum", "-lvotequorum", "-lcmap"]
    },
    {
      "target_name": "watchdog-emulator",
      "type": "executable",
      "sources": [
        "native/emulator_client.cc",
        "native/emulator/control.cc",
        "native/emulator/device.cc",
        "native/emulator/event_log.cc",
        "native/emulator/machine.cc",
        "native/emulator/main.cc",
        "native/emulator/server.cc"
      ]
    }
  ]
}
