#include "train/run_folder.h"

#include "core/error.h"
#include "data/file.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;

static void remove_run(const RunFolder& run) {
  for (const fs::path& path : {run.config(), run.results(), run.events(), run.text_log()}) {
    fs::remove(path);
  }
  fs::remove_all(run.weights());
  fs::remove_all(run.val());
}

// Turns "runs/a/" and "." into "runs/a" and "/home/me/here", to which -2 can be appended.
static fs::path with_a_name(const fs::path& folder) {
  const fs::path name = folder.filename();
  if (name.empty() && folder.has_parent_path() && folder.has_relative_path()) {
    return with_a_name(folder.parent_path());
  }
  return name == "." || name == ".." ? with_a_name(fs::absolute(folder).lexically_normal())
                                     : folder;
}

RunFolder create_run_folder(const fs::path& given, bool overwrite) {
  const fs::path root = with_a_name(given);
  try {
    RunFolder run{root};
    const auto taken = [](const fs::path& path) {
      return fs::exists(path) && !(fs::is_directory(path) && fs::is_empty(path));
    };
    if (overwrite) {
      fs::create_directories(root);
      const FolderLock lock(root);  // fails if a run is still using it
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

fs::path weights_file(const fs::path& given) {
  std::error_code unreadable;  // reported when the file is opened
  if (!fs::is_directory(given, unreadable)) {
    return given;
  }
  const RunFolder run{given};
  for (const fs::path& path : {run.best(), run.last()}) {
    if (fs::exists(path, unreadable)) {
      return path;
    }
  }
  fail<DataError>("{}: no weights in this folder, expected a checkpoint file or a run folder with "
                  "{}; a run saves its first weights at the end of its first epoch",
                  printable(given.native()), run.best().lexically_relative(given).native());
}

}  // namespace mld
