// Paths of pictures as annotation files write them, and the folder they start from.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mld {

// Makes the paths of annotation files relative. See Note [Paths from annotation files].
class WrittenPaths {
 public:
  // `root` is the data's folder; without one every absolute path is an error.
  explicit WrittenPaths(const std::filesystem::path& root = {});

  // A path as it is, or an absolute one below the root relative to it. Safe also if its backslashes
  // are read as slashes. `where` starts messages. Errors: DataError.
  std::string relative(std::string_view written, const std::string& where) const;

 private:
  std::vector<std::filesystem::path> roots_;  // the root as it is called, and without links
};

// Where pictures are, and how their paths must be changed to find them.
struct PicturePlace {
  std::filesystem::path folder = {};
  bool found = false;       // one of the first pictures is there
  bool slashes = false;     // \ in a path means /
  std::string ending = {};  // what paths without the ending of a picture lack

  std::string file(std::string path) const;
};

// What is odd about a place, for a note: "\ in paths is read as /; .jpg added to paths"; or "".
std::string place_note(const PicturePlace& place);

// A path by which the same file is recognised: "./a.png" and "a.png" are one.
std::string path_key(const std::string& path);

constexpr size_t kPicturesTried = 16;
// Tries the places in turn on the first few pictures, with each change of their paths: the change
// that finds the most, in the first place where it finds any. If nothing is found, the first place
// that exists.
PicturePlace find_pictures(std::span<const std::filesystem::path> places,
                           std::span<const std::string> first_paths);

}  // namespace mld
