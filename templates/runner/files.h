// Whole files in memory, and lists of pictures in folders.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

using Bytes = std::vector<std::uint8_t>;

// Returns the content of a file. Throws Failure (environment) when it cannot be read or holds more than `limit` bytes.
Bytes read_file(const std::string& path, std::size_t limit);

// Appends to, or creates, a file. Throws Failure (environment).
void append_file(const std::string& path, const void* data, std::size_t size);

bool is_folder(const std::string& path);

// Returns the .png, .jpg and .jpeg files under a folder, sorted by path. Throws Failure (environment).
std::vector<std::string> pictures_in(const std::string& folder);
