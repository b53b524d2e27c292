// Paths of pictures as written in annotation files, and the folder they start from.
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

  // A relative path as it is; an absolute one below the root, relative to the root. The result is
  // safe even if backslashes are read as slashes. `where` starts messages. Errors: DataError.
  std::string relative(std::string_view written, const std::string& where) const;

 private:
  std::vector<std::filesystem::path> roots_;  // the root as given, and with links resolved
};

// Where pictures are, and how their paths must be changed to find them.
struct PicturePlace {
  std::filesystem::path folder = {};
  bool found = false;       // one of the first pictures exists
  bool slashes = false;     // \ in a path means /
  std::string ending = {};  // extension to add to paths without one

  std::string file(std::string path) const;
};

// How paths are changed, for a note: "\ in paths is read as /; .jpg added to paths"; or "".
std::string place_note(const PicturePlace& place);

constexpr size_t kPicturesTried = 16;
// Tries each place in turn on the first few pictures, with each possible change of their paths.
// Returns the first place where any is found, with the change that finds the most; if nothing is
// found, the first place that exists.
PicturePlace find_pictures(std::span<const std::filesystem::path> places,
                           std::span<const std::string> first_paths);

}  // namespace mld
