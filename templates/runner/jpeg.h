// JPEG bytes to RGB pixels exactly as libjpeg-turbo, and so Pillow, gives them.
#pragma once

#include <string>

#include "image.h"

// `file` starts with FF D8 FF and holds at most kPixelLimit pixels. Throws Failure (environment) when it is damaged.
Picture decode_jpeg(const Bytes& file, const std::string& name);
