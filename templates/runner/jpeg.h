// JPEG bytes to RGB pixels exactly as libjpeg-turbo, and so Pillow, gives them.
#pragma once

#include <string>

#include "image.h"

// Looks at the segments of a file that starts with FF D8 FF; to be called before stb_image sees it in any way.
// Throws Failure (environment).
void check_jpeg(const Bytes& file, const std::string& name);

// `file` passed check_jpeg and holds at most kPixelLimit pixels. Throws Failure (environment) when it is damaged.
Picture decode_jpeg(const Bytes& file, const std::string& name);
