#include "data/formats/csv_place.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "data/formats/file_dataset.h"
#include "data/formats/split_words.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

using Paths = std::span<const std::string>;

// The folders below the root, by what their names say.
struct Folders {
  std::vector<fs::path> split;    // Train/, or the user's word; with images/ in them
  std::vector<fs::path> named;    // train_pictures/
  std::vector<fs::path> neutral;  // pictures/
  std::vector<fs::path> train;    // of train, if the split is another
};

// data.val = "test.csv" means the pictures of test.
std::string split_of_pictures(const std::string& word, const fs::path& list,
                              const std::string& split) {
  const std::string named =
      split_in_name((word.empty() ? list : fs::path(word)).stem().native());
  return named.empty() ? split : named;
}

Folders folders_below(const fs::path& root, const std::string& word, const std::string& split) {
  Folders found;
  for (const fs::path& above : {root, root / "images"}) {
    std::error_code error;
    for (const fs::path& entry : sorted_entries(above, error)) {
      const std::string name = entry.filename().native();
      const std::string of = split_in_name(name);
      if (is_picture_name(name) || !fs::is_directory(entry, error)) {
        continue;
      }
      if (split_of_word(name) == split || name == word) {
        found.split.insert(found.split.end(), {entry, entry / "images"});
      } else if (of == split) {
        found.named.push_back(entry);
      } else if (of == "train") {
        found.train.push_back(entry);
      } else if (of.empty() && above == root) {
        found.neutral.push_back(entry);
      }
    }
  }
  return found;
}

int64_t pictures_at(const PicturePlace& place, Paths paths) {
  return std::ranges::count_if(paths, [&](const std::string& path) {
    std::error_code error;
    return fs::is_regular_file(place.folder / place.file(path), error);
  });
}

// One may be a folder of links to the other.
bool same_files(const PicturePlace& a, const PicturePlace& b, Paths paths) {
  return std::ranges::all_of(paths, [&](const std::string& path) {
    std::error_code error;
    return fs::equivalent(a.folder / a.file(path), b.folder / b.file(path), error);
  });
}

// The folder that holds most of the pictures.
PicturePlace best_place(const std::vector<fs::path>& folders, Paths first, const fs::path& list,
                        const std::string& split) {
  PicturePlace best, rival;
  int64_t most = 0;
  for (const fs::path& folder : folders) {
    const PicturePlace place = find_pictures({&folder, 1}, first);
    const int64_t held = place.found ? pictures_at(place, first) : 0;
    if (held > most) {
      most = held;
      best = place;
      rival = {};
    } else if (held > 0 && held == most && !same_files(best, place, first)) {
      rival = place;
    }
  }
  require<DataError>(!rival.found,
                     "{}: {} and {} both hold its pictures, such as {}; write the folder in the "
                     "list's paths, or move the list into the right one and name it there in "
                     "data.{}", printable(list.native()), printable(best.folder.native()),
                     printable(rival.folder.native()), first.empty() ? "" : printable(first[0]),
                     split);
  return best;
}

}  // namespace

PicturePlace csv_picture_place(const DataOptions& options, const fs::path& list,
                               const std::string& split, std::span<const std::string> first) {
  const fs::path& root = options.root;
  const std::string& word = split_option(options, split);
  const std::string pictures = split_of_pictures(word, list, split);
  const fs::path own = list.parent_path();
  const fs::path usual[] = {root,         own, root / "images", root / pictures,
                            own / "images", root / "images" / pictures};
  const PicturePlace at_usual = find_pictures(usual, first);
  if (at_usual.found) {
    return at_usual;
  }
  const Folders folders = folders_below(root, word, pictures);
  const bool has_own = !folders.split.empty() || !folders.named.empty();
  for (const std::vector<fs::path>& tried :
       {folders.split, folders.named, folders.neutral,
        has_own ? std::vector<fs::path>() : folders.train}) {
    const PicturePlace place = best_place(tried, first, list, split);
    if (place.found) {
      return place;
    }
  }
  return at_usual;
}

}  // namespace mld
