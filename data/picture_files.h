// Which files of a folder are pictures: the same for training, check and predict.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace mld {

// Files that were skipped, by reason.
class LeftOut {
 public:
  void add(const std::string& reason, const std::string& file);
  bool empty() const { return files_.empty(); }
  // "2 hidden (._a.jpg, ...), 1 not a picture (notes.txt)"
  std::string text() const;

 private:
  std::map<std::string, std::pair<int64_t, std::string>> files_;  // how many, the first's name
};

// The pictures in `folder` and the folders below it, relative to `base`, in byte order; `left_out`
// gets the rest. A picture is a file with a picture's extension, in any case, or with another
// extension or none if its content begins like a picture. Hidden files and folders (._x, .DS_Store,
// .git) are skipped. Links to files are followed, links to folders are not: they may form a cycle.
// Errors: DataError if `base` cannot be listed; other such folders are left out.
std::vector<std::string> list_pictures(const std::filesystem::path& folder,
                                       const std::filesystem::path& base, LeftOut& left_out);

bool is_picture(const std::filesystem::path& file);

// Whether there is at least one picture in `folder` itself; false if it cannot be listed.
bool holds_picture(const std::filesystem::path& folder);

// Whether a name has a picture's extension: .jpg .jpeg .jpe .jfif .pjpeg .png .gif .webp .tif .tiff
// .bmp .tga .ppm .pgm .pbm .pnm, in any case.
bool is_picture_name(std::string_view name);

// A path written in its simplest form: "./a.png" and "a.png" have the same.
std::string normal_path(const std::filesystem::path& path);

// A name that begins with a dot.
bool is_hidden(const std::filesystem::path& path);

// The entries of a folder in byte order. Errors: DataError if it is missing or unreadable.
std::vector<std::filesystem::path> sorted_entries(const std::filesystem::path& folder);
// Those that can be listed.
std::vector<std::filesystem::path> sorted_entries(const std::filesystem::path& folder,
                                                  std::error_code& error);

}  // namespace mld
