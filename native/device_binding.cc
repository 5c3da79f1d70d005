#include "device_binding.h"

#include <errno.h>

#include <memory>
#include <string>

#include "clock.h"
#include "device_info.h"
#include "emulated_device.h"
#include "kernel_device.h"

namespace holdfast {
namespace {

double MsFromNs(int64_t ns) { return static_cast<double>(ns) / kNsPerMs; }

// new Device(emulated, path). Each call blocks until the driver has answered. Collected while open it is closed without
// magic close, which pets it: keep it.
class DeviceHandle : public Napi::ObjectWrap<DeviceHandle> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(
        env, "Device",
        {InstanceMethod<&DeviceHandle::Open>("open"), InstanceMethod<&DeviceHandle::Describe>("describe"),
         InstanceMethod<&DeviceHandle::SetTimeout>("setTimeout"), InstanceMethod<&DeviceHandle::Start>("start"),
         InstanceMethod<&DeviceHandle::Pet>("pet"), InstanceMethod<&DeviceHandle::Disarm>("disarm")});
  }

  explicit DeviceHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DeviceHandle>(info) {
    const std::string path = info[1].ToString().Utf8Value();
    if (info[0].ToBoolean()) {
      device_ = std::make_unique<EmulatedDevice>(path.c_str());
    } else {
      device_ = std::make_unique<KernelDevice>(path.c_str());
    }
  }

 private:
  // open(): errno. Pets nothing and sets nothing.
  Napi::Value Open(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), device_->IsOpen() ? 0 : device_->Open());
  }

  // describe(): what the device tells, or an errno; bootStatus as it was when the device was opened
  Napi::Value Describe(const Napi::CallbackInfo& info) {
    if (!device_->IsOpen()) return Napi::Number::New(info.Env(), EBADF);
    DeviceInfo told{};
    if (const int error = device_->Describe(&told)) return Napi::Number::New(info.Env(), error);
    return InfoToJs(info.Env(), told);
  }

  // setTimeout(seconds): { error, timeoutS }, timeoutS as read back
  Napi::Value SetTimeout(const Napi::CallbackInfo& info) {
    int32_t seconds = info[0].ToNumber().Int32Value();
    const int error = device_->IsOpen() ? device_->SetTimeout(&seconds) : EBADF;
    Napi::Object out = Napi::Object::New(info.Env());
    out["error"] = Napi::Number::New(info.Env(), error);
    out["timeoutS"] = Napi::Number::New(info.Env(), seconds);
    return out;
  }

  // start(), pet(): { error, startMs, endMs }, CLOCK_BOOTTIME before and after
  Napi::Value Start(const Napi::CallbackInfo& info) { return Timed(info.Env(), &WatchdogDevice::Start); }
  Napi::Value Pet(const Napi::CallbackInfo& info) { return Timed(info.Env(), &WatchdogDevice::Pet); }

  Napi::Value Timed(Napi::Env env, int (WatchdogDevice::*operation)()) {
    const int64_t start = BootNs();
    const int error = device_->IsOpen() ? (device_.get()->*operation)() : EBADF;
    const int64_t end = BootNs();
    Napi::Object out = Napi::Object::New(env);
    out["error"] = Napi::Number::New(env, error);
    out["startMs"] = Napi::Number::New(env, MsFromNs(start));
    out["endMs"] = Napi::Number::New(env, MsFromNs(end));
    return out;
  }

  // disarm(): errno. Magic close; the device may go on all the same.
  Napi::Value Disarm(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), device_->IsOpen() ? device_->Disarm() : EBADF);
  }

  std::unique_ptr<WatchdogDevice> device_;
};

}  // namespace

void InitDevice(Napi::Env env, Napi::Object exports) { exports["Device"] = DeviceHandle::Define(env); }

}  // namespace holdfast
