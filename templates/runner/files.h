// Whole files in memory, and lists of pictures in folders.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

using Bytes = std::vector<std::uint8_t>;

// Returns the content of a file. Throws Failure (environment) when it cannot be read or holds more than `limit` bytes.
Bytes read_file(const std::string& path, std::size_t limit);

// Returns at most the first `most` bytes of a file. Throws Failure (environment) when it cannot be read.
Bytes read_start(const std::string& path, std::size_t most);

// Writes a file anew, or into what is there and no file. Throws Failure (environment).
void write_file(const std::string& path, const void* data, std::size_t size);

// Appends to, or creates, a file. Throws Failure (environment).
void append_file(const std::string& path, const void* data, std::size_t size);

bool is_folder(const std::string& path);

// Returns the .png, .jpg and .jpeg files under a folder, sorted by path, and with them the folders that cannot be listed;
// a link back to a folder above it is not followed.
std::vector<std::string> pictures_in(const std::string& folder);
