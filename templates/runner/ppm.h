// Frames that say their own size: binary PPM pictures (P6, 8 bits a channel) one after another, as
// `ffmpeg … -pix_fmt rgb24 -c:v ppm -f image2pipe -` writes them.
#pragma once

#include <string>

#include "image.h"

// Takes the header of the next PPM picture off standard input and sets the frame's width and height; false at a clean end.
// Throws Failure (environment) for anything else. The size may be more than is taken.
bool read_ppm_header(Picture& frame, const std::string& source);
