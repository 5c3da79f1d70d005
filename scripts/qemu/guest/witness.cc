// witness PORT: the resource of the lab. Says ten times a second, past the network and past Holdfast, that it runs here.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const int port = open(argv[1], O_WRONLY | O_CLOEXEC);
  if (port < 0) {
    std::perror(argv[1]);
    return 1;
  }
  for (unsigned long count = 1;; ++count) {
    if (dprintf(port, "runs %lu\n", count) < 0) return 1;
    usleep(100'000);
  }
}
