#include "app/report/run_names.h"

#include <algorithm>
#include <map>
#include <set>

namespace mld {

namespace fs = std::filesystem;

// The last `count` parts of a path, or all of it.
static std::string end_of(const fs::path& path, size_t count) {
  const std::vector<fs::path> parts(path.begin(), path.end());
  fs::path end;
  for (size_t i = parts.size() - std::min(count, parts.size()); i < parts.size(); ++i) {
    end /= parts[i];
  }
  return end.native();
}

std::vector<std::string> names_apart(const std::vector<fs::path>& folders) {
  std::vector<fs::path> paths;
  size_t most = 1;  // parts of a path
  for (const fs::path& folder : folders) {
    const fs::path whole = fs::absolute(folder).lexically_normal();
    // A path that ends in a slash has an empty last part.
    paths.push_back(whole.has_filename() ? whole : whole.parent_path());
    most = std::max(most, static_cast<size_t>(std::distance(paths.back().begin(),
                                                            paths.back().end())));
  }
  std::vector<std::string> names(paths.size());
  for (size_t count = 1; count <= most; ++count) {
    std::map<std::string, int> holders;
    for (const fs::path& path : std::set<fs::path>(paths.begin(), paths.end())) {
      ++holders[end_of(path, count)];
    }
    for (size_t i = 0; i < paths.size(); ++i) {
      const std::string end = end_of(paths[i], count);
      if (names[i].empty() && (holders[end] == 1 || count == most)) {
        names[i] = end;
      }
    }
  }
  return names;
}

}  // namespace mld
