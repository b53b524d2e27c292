#include "data/formats/picture_paths.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "core/error.h"
#include "data/formats/file_dataset.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;

WrittenPaths::WrittenPaths(const fs::path& root) {
  if (!root.empty()) {
    std::error_code error;
    for (fs::path name : {fs::absolute(root, error), fs::canonical(root, error)}) {
      name = name.lexically_normal();
      roots_.push_back(name.has_filename() ? name : name.parent_path());
    }
  }
}

std::string WrittenPaths::relative(std::string_view written, const std::string& where) const {
  const bool drive = written.size() > 2 && std::isalpha(static_cast<unsigned char>(written[0])) &&
                     written[1] == ':' && (written[2] == '\\' || written[2] == '/');
  require<DataError>(!drive && written.find("://") == std::string_view::npos,
                     "{}: path '{}' is {}, expected a path below the data folder", where,
                     printable(written), drive ? "absolute on another system" : "an address");
  const fs::path path(written);
  if (path.is_absolute() && written.find('\0') == std::string_view::npos) {
    const fs::path normal = path.lexically_normal();
    for (const fs::path& root : roots_) {
      const auto end = std::mismatch(root.begin(), root.end(), normal.begin(), normal.end());
      if (end.first == root.end() && end.second != normal.end()) {
        return safe_relative_path(normal.lexically_relative(root).native(), where).native();
      }
    }
  }
  std::string result = safe_relative_path(written, where).native();
  if (written.find('\\') != std::string_view::npos) {
    safe_relative_path(PicturePlace{.slashes = true}.file(result), where);
  }
  return result;
}

std::string PicturePlace::file(std::string path) const {
  if (slashes) {
    std::replace(path.begin(), path.end(), '\\', '/');
  }
  return ending.empty() || is_picture_name(path) ? path : path + ending;
}

PicturePlace find_pictures(std::span<const fs::path> places,
                           std::span<const std::string> first_paths) {
  constexpr size_t kTried = 16;
  static constexpr std::array<const char*, 12> kEndings = {
      "", ".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".webp", ".bmp", ".tif", ".gif", ".ppm"};
  const std::span<const std::string> paths =
      first_paths.first(std::min(kTried, first_paths.size()));
  const bool bare = std::ranges::any_of(paths, [](const auto& path) {
    return !is_picture_name(path);
  });
  const bool backslashes = std::ranges::any_of(paths, [](const auto& path) {
    return path.find('\\') != std::string::npos;
  });
  std::vector<fs::path> there;
  std::error_code error;
  std::ranges::copy_if(places, std::back_inserter(there),
                       [&](const fs::path& place) { return fs::is_directory(place, error); });
  for (const char* ending : kEndings) {
    for (const bool slashes : {false, true}) {
      for (const fs::path& folder : there) {
        const PicturePlace place{folder, true, slashes, ending};
        if ((*ending == '\0' || bare) && (!slashes || backslashes) &&
            std::ranges::any_of(paths, [&](const std::string& path) {
              return fs::is_regular_file(folder / place.file(path), error);
            })) {
          return place;
        }
      }
    }
  }
  return {.folder = there.empty() ? fs::path() : there[0]};
}

}  // namespace mld
