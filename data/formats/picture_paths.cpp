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

std::string place_note(const PicturePlace& place) {
  if (!place.found) {
    return "none of the first pictures was found";
  }
  std::string note = place.slashes ? "\\ in paths is read as /" : "";
  if (!place.ending.empty()) {
    note += fmt::format("{}{} added to paths", note.empty() ? "" : "; ", place.ending);
  }
  return note;
}

PicturePlace find_pictures(std::span<const fs::path> places,
                           std::span<const std::string> first_paths) {
  static constexpr std::array<const char*, 12> kEndings = {
      "",     ".jpg",  ".jpeg", ".png", ".JPG", ".JPEG",
      ".PNG", ".webp", ".bmp",  ".tif", ".gif", ".ppm"};
  const std::span<const std::string> paths =
      first_paths.first(std::min(kPicturesTried, first_paths.size()));
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
  PicturePlace best{.folder = there.empty() ? fs::path() : there[0]};
  int64_t most = 0;
  for (const char* ending : kEndings) {
    for (const bool slashes : {false, true}) {
      if ((*ending != '\0' && !bare) || (slashes && !backslashes)) {
        continue;
      }
      for (const fs::path& folder : there) {
        const PicturePlace place{folder, true, slashes, ending};
        const int64_t found = std::ranges::count_if(paths, [&](const std::string& path) {
          return fs::is_regular_file(folder / place.file(path), error);
        });
        if (found == std::ssize(paths)) {
          return place;
        }
        if (found > most) {
          most = found;
          best = place;
        }
        if (found > 0) {
          break;
        }
      }
    }
  }
  return best;
}

}  // namespace mld
