#include "files.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "failure.h"

namespace {

constexpr int kDepthLimit = 32;

[[noreturn]] void fail(const std::string& path, const char* what) {
  throw Failure(kEnvironment, path + ": " + what + ": " + std::strerror(errno));
}

struct Closer {
  void operator()(FILE* file) const { std::fclose(file); }
  void operator()(DIR* folder) const { closedir(folder); }
};

bool is_picture(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos) return false;
  std::string suffix = name.substr(dot);
  for (char& c : suffix) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return suffix == ".png" || suffix == ".jpg" || suffix == ".jpeg";
}

void collect(const std::string& folder, int depth, std::vector<std::string>& found) {
  if (depth > kDepthLimit) throw Failure(kEnvironment, folder + ": folders are nested too deep");
  const std::unique_ptr<DIR, Closer> handle(opendir(folder.c_str()));
  if (!handle) fail(folder, "cannot be listed");
  while (const dirent* entry = readdir(handle.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string path = folder.back() == '/' ? folder + name : folder + "/" + name;
    if (is_folder(path)) {
      collect(path, depth + 1, found);
    } else if (is_picture(name)) {
      found.push_back(path);
    }
  }
}

}  // namespace

Bytes read_file(const std::string& path, std::size_t limit) {
  const std::unique_ptr<FILE, Closer> file(std::fopen(path.c_str(), "rb"));
  if (!file) fail(path, "cannot be opened");
  Bytes content;
  std::size_t filled = 0;
  do {
    if (filled > limit) throw Failure(kEnvironment, path + ": larger than the limit of " + std::to_string(limit) + " bytes");
    content.resize(std::min(std::max<std::size_t>(1 << 16, filled * 2), limit + 1));
    filled += std::fread(content.data() + filled, 1, content.size() - filled, file.get());
  } while (filled == content.size());
  if (std::ferror(file.get())) fail(path, "cannot be read");
  content.resize(filled);
  return content;
}

void append_file(const std::string& path, const void* data, std::size_t size) {
  std::unique_ptr<FILE, Closer> file(std::fopen(path.c_str(), "ab"));
  if (!file) fail(path, "cannot be opened for writing");
  const bool written = std::fwrite(data, 1, size, file.get()) == size;
  if (std::fclose(file.release()) != 0 || !written) fail(path, "cannot be written");
}

bool is_folder(const std::string& path) {
  // Not stat(): its symbol in new headers is newer than the oldest glibc that the runner starts on.
  return std::unique_ptr<DIR, Closer>(opendir(path.c_str())) != nullptr;
}

std::vector<std::string> pictures_in(const std::string& folder) {
  std::vector<std::string> found;
  collect(folder, 0, found);
  std::sort(found.begin(), found.end());
  return found;
}
