// stb_image (Debian's libstb-dev): PNG and JPEG only, from memory only, everything static.
#pragma once

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_NO_SIMD
#define STBI_MAX_DIMENSIONS 65535
// What a damaged file leaves undecoded is zero, not what the heap held before.
#define STBI_MALLOC(size) std::calloc(1, size)
#define STBI_REALLOC(block, size) std::realloc(block, size)
#define STBI_FREE(block) std::free(block)

#include <cstdlib>

#include <stb_image.h>

#include <cstring>
#include <string>

// What is wrong with `what`, which stb_image has just refused; it does not always say.
inline std::string stb_refusal(const std::string& what) {
  const char* reason = stbi_failure_reason();
  if (reason != nullptr && std::strcmp(reason, "outofmem") == 0) return "not enough memory for the picture";
  return what + " is damaged (" + (reason == nullptr ? "the data end early" : reason) + ")";
}
