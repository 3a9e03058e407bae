// SHA-256 (FIPS 180-4) of bytes in memory.
#pragma once

#include <cstddef>
#include <string>

// Returns the digest as 64 lower-case hexadecimal digits.
std::string sha256_hex(const void* data, std::size_t size);
