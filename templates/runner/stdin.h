// Standard input: as many bytes as a buffer holds, or all that is left.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "failure.h"
#include "files.h"

// Fills `buffer` from standard input; returns how many bytes there were before its end.
inline std::size_t read_stdin(Bytes& buffer) {
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    const ssize_t got = read(STDIN_FILENO, buffer.data() + filled, buffer.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Failure(kEnvironment, std::string("standard input cannot be read: ") + std::strerror(errno));
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return filled;
}

// Leaves out as many bytes of standard input, or all that is left.
inline void skip_stdin(std::uint64_t bytes) {
  Bytes buffer(std::size_t{1} << 16);
  while (bytes > 0) {
    buffer.resize(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, buffer.size())));
    const std::size_t got = read_stdin(buffer);
    if (got < buffer.size()) return;
    bytes -= got;
  }
}
