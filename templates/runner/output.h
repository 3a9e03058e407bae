// Standard output: whole lines, flushed one by one, and a quiet end when the reader goes away.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "failure.h"

// Thrown when whoever read our output has closed it; the run ends without a message.
struct ReaderGone {};

inline void write_out(const void* data, std::size_t size) {
  if (std::fwrite(data, 1, size, stdout) == size && std::fflush(stdout) == 0) return;
  if (errno == EPIPE) throw ReaderGone{};
  throw Failure(kEnvironment, std::string("standard output cannot be written: ") + std::strerror(errno));
}

inline void print_line(const std::string& line) {
  const std::string whole = line + "\n";
  write_out(whole.data(), whole.size());
}
