#include "files.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "failure.h"

namespace {

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

struct Freer {
  void operator()(char* text) const { std::free(text); }
};

std::vector<std::string> entries(DIR* handle) {
  std::vector<std::string> names;
  while (const dirent* entry = readdir(handle)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

// `above` holds where the folders above this one really lie.
void collect(const std::string& folder, std::vector<std::string>& above, std::vector<std::string>& found) {
  const std::unique_ptr<char, Freer> place(realpath(folder.c_str(), nullptr));
  if (place && std::find(above.begin(), above.end(), place.get()) != above.end()) return;
  std::unique_ptr<DIR, Closer> handle(opendir(folder.c_str()));
  if (!handle) return found.push_back(folder);
  const std::vector<std::string> names = entries(handle.get());
  handle.reset();  // one open folder at a time, however deep they are
  above.emplace_back(place ? place.get() : folder);
  for (const std::string& name : names) {
    const std::string path = folder.back() == '/' ? folder + name : folder + "/" + name;
    if (is_folder(path)) {
      collect(path, above, found);
    } else if (is_picture(name)) {
      found.push_back(path);
    }
  }
  above.pop_back();
}

void write_to(const std::string& path, const char* mode, const void* data, std::size_t size) {
  std::unique_ptr<FILE, Closer> file(std::fopen(path.c_str(), mode));
  if (!file) fail(path, "cannot be opened for writing");
  const bool written = std::fwrite(data, 1, size, file.get()) == size;
  if (std::fclose(file.release()) != 0 || !written) fail(path, "cannot be written");
}

}  // namespace

Bytes read_start(const std::string& path, std::size_t most) {
  const std::unique_ptr<FILE, Closer> file(std::fopen(path.c_str(), "rb"));
  if (!file) fail(path, "cannot be opened");
  Bytes content;
  std::size_t filled = 0;
  do {
    content.resize(std::min(std::max<std::size_t>(1 << 16, filled * 2), most));
    filled += std::fread(content.data() + filled, 1, content.size() - filled, file.get());
  } while (filled == content.size() && filled < most);
  if (std::ferror(file.get())) fail(path, "cannot be read");
  content.resize(filled);
  return content;
}

Bytes read_file(const std::string& path, std::size_t limit) {
  Bytes content = read_start(path, limit + 1);
  if (content.size() > limit) throw Failure(kEnvironment, path + ": larger than the limit of " + std::to_string(limit) + " bytes");
  return content;
}

void write_file(const std::string& path, const void* data, std::size_t size) { write_to(path, "wb", data, size); }

void append_file(const std::string& path, const void* data, std::size_t size) {
  write_to(path, "ab", data, size);
}

bool is_folder(const std::string& path) {
  // Not stat(): its symbol in new headers is newer than the oldest glibc that the runner starts on.
  return std::unique_ptr<DIR, Closer>(opendir(path.c_str())) != nullptr || errno == EACCES;
}

std::vector<std::string> pictures_in(const std::string& folder) {
  std::vector<std::string> found;
  std::vector<std::string> above;
  collect(folder, above, found);
  std::sort(found.begin(), found.end());
  return found;
}
