// stb_image (Debian's libstb-dev): PNG and JPEG only, from memory only, everything static.
#pragma once

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_NO_SIMD
#define STBI_MAX_DIMENSIONS 65535

#include <stb_image.h>

// Why the last picture was refused; stb_image does not always say.
inline const char* stb_reason() {
  const char* reason = stbi_failure_reason();
  return reason == nullptr ? "the data end early" : reason;
}
