#include "train/run_folder.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "core/error.h"
#include "data/file.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;

constexpr std::string_view kEventsBegin = "events.out.tfevents.", kEventsEnd = ".mldecoder";

fs::path RunFolder::event_file(int64_t session) const {
  return root / fmt::format("{}{:010}{}", kEventsBegin, session, kEventsEnd);
}

int64_t RunFolder::session_of(const fs::path& path) {
  std::string_view name = path.native();
  name.remove_prefix(name.rfind('/') + 1);
  if (!name.starts_with(kEventsBegin) || !name.ends_with(kEventsEnd) ||
      name.size() <= kEventsBegin.size() + kEventsEnd.size()) {
    return 0;
  }
  name.remove_prefix(kEventsBegin.size());
  name.remove_suffix(kEventsEnd.size());
  return number_of<int64_t>(name).value_or(0);
}

static void remove_run(const RunFolder& run) {
  std::vector<fs::path> files = {run.config(), run.results(), run.events(), run.text_log(),
                                 run.mlflow_run(), run.report(), run.comparison(),
                                 run.scores("train")};
  for (const fs::directory_entry& entry : fs::directory_iterator(run.root)) {
    if (RunFolder::session_of(entry.path()) > 0) {
      files.push_back(entry.path());
    }
  }
  for (const fs::path& path : files) {
    fs::remove(path);
  }
  fs::remove_all(run.weights());
  fs::remove_all(run.val());
  std::error_code not_ours;  // a folder that holds something else
  fs::remove(run.scores("train").parent_path(), not_ours);
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

void make_writable_folder(const fs::path& folder) {
  std::error_code failed;  // reported by access()
  fs::create_directories(folder, failed);
  const bool writable = ::access((folder / ".").c_str(), W_OK | X_OK) == 0;
  require<DataError>(writable, "{}: not a folder that can be written to: {}", folder.string(),
                     std::strerror(errno));
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
