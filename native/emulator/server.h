// The emulator at work: clients, the timer, the machine, in one poll loop.
#pragma once

#include <string>
#include <vector>

#include "device.h"
#include "event_log.h"
#include "machine.h"

namespace holdfast::emulator {

struct ServerOptions {
  std::string socket;
  std::string machinePidFile;
  std::string log;
  bool noReboot = false;
  DeviceOptions device;
};

class Server {
 public:
  explicit Server(const ServerOptions& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Returns only on failure, with the sentence that says what failed.
  std::string Run();

 private:
  static constexpr size_t kMaxClients = 32;

  std::string Listen();
  void SetTimer() const;
  void Round();
  void OnTimer();
  void OnMachineGone();
  void OnClient(int fd);
  void OnHangUp(int fd);
  void Accept();
  int Execute(const Request& request, int fd);
  int OpenDevice(int fd, int64_t nowNs);
  // Resets the machine, or says in the log why not.
  void Fire(const char* cause);
  void DropOpener();
  State Describe() const;

  ServerOptions options_;
  EventLog log_;
  Device device_;
  Machine machine_;
  bool noReboot_;
  bool killed_ = false;  // killed by us and not yet dead
  std::string cause_;
  int listener_ = -1;
  int timer_ = -1;
  int opener_ = -1;  // the client that holds the device open
  std::vector<int> clients_;
};

}  // namespace holdfast::emulator
