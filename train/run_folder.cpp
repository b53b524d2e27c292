#include "train/run_folder.h"

#include "core/error.h"
#include "data/file.h"

namespace mld {
namespace fs = std::filesystem;

static void remove_run(const RunFolder& run) {
  for (const fs::path& path : {run.config(), run.results(), run.events(), run.text_log()}) {
    fs::remove(path);
  }
  fs::remove_all(run.weights());
  fs::remove_all(run.val());
}

RunFolder create_run_folder(const fs::path& root, bool overwrite) {
  try {
    RunFolder run{root};
    const auto taken = [](const fs::path& path) {
      return fs::exists(path) && !(fs::is_directory(path) && fs::is_empty(path));
    };
    if (overwrite) {
      fs::create_directories(root);
      const FolderLock lock(root);  // not under the feet of a run that is still going
      remove_run(run);
    } else {
      for (int n = 2; taken(run.root); ++n) {
        run.root = root.string() + "-" + std::to_string(n);
      }
    }
    fs::create_directories(run.weights());
    fs::create_directories(run.val());
    return run;
  } catch (const fs::filesystem_error& error) {
    fail<DataError>("{}: cannot create the run folder ({}); try --out with another place",
                    root.string(), error.code().message());
  }
}

}  // namespace mld
