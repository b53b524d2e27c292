#include "train/mlflow_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <vector>

#include <fmt/core.h>

#include "core/error.h"
#include "data/file.h"
#include "data/hash.h"
#include "data/text.h"
#include "train/log_files.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxMetaBytes = 1 << 20;
constexpr const char* kMetaFile = "meta.yaml";

int64_t milliseconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_letter_or_digit(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }

// A text as a YAML scalar: JSON's strings are YAML's double-quoted ones.
std::string yaml_text(std::string_view text) { return json_string(printable(text)); }

// The absolute path as a URI. What a URI may not hold becomes %XX.
std::string uri_of(const fs::path& path) {
  std::string uri = "file://";
  const std::string text = fs::absolute(path).lexically_normal().native();
  for (const char c : text) {
    const bool plain = is_letter_or_digit(c) || std::string_view("/-_.~").find(c) != uri.npos;
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri;
}

// Replaces the line "key: ..." of a file that has one value a line.
std::string with_field(const std::string& text, const std::string& key, const std::string& value) {
  std::string changed;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    changed += line.starts_with(key + ":") ? fmt::format("{}: {}", key, value) : std::string(line);
    changed += '\n';
    begin = end + 1;
  }
  return changed;
}

bool says(const std::string& meta, const std::string& line) {
  return ("\n" + meta + "\n").find("\n" + line + "\n") != std::string::npos;
}

void write_text(const fs::path& path, std::string_view text, int flags) {
  fs::create_directories(path.parent_path());
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666));
  require(file.open() && append_record(file, text), "{}: cannot be written: {}", path.string(),
          std::strerror(errno));
}

// The id of the experiment of this name. Of a new one it follows from the name, so that runs that
// start together make one experiment; `run` tells their temporary files apart.
std::string experiment_id(const fs::path& store, const std::string& name, const std::string& run) {
  if (fs::exists(store)) {
    std::vector<fs::path> folders;
    for (const fs::directory_entry& entry : fs::directory_iterator(store)) {
      folders.push_back(entry.path());
    }
    std::ranges::sort(folders);
    for (const fs::path& folder : folders) {
      if (fs::is_regular_file(folder / kMetaFile)) {
        const std::string meta = read_text_file(folder / kMetaFile, kMaxMetaBytes);
        if (says(meta, "name: " + name) || says(meta, "name: '" + name + "'")) {
          return folder.filename().native();
        }
      }
    }
  }
  constexpr uint64_t kLeast = 100'000'000'000'000'000;  // MLflow's ids have 18 digits
  Hash hash;
  hash.text(name);
  const std::string id = name == "Default" ? "0"  // as in MLflow
                                           : std::to_string(kLeast + hash.value() % (9 * kLeast));
  const fs::path folder = store / id;
  fs::create_directories(folder);
  const fs::path of_this_run = folder / ("meta." + run);
  write_file_atomically(
      of_this_run,
      fmt::format("artifact_location: {}\ncreation_time: {}\nexperiment_id: '{}'\n"
                  "last_update_time: {}\nlifecycle_stage: active\nname: '{}'\n",
                  yaml_text(uri_of(folder)), milliseconds(), id, milliseconds(), name));
  fs::rename(of_this_run, folder / kMetaFile);
  return id;
}

}  // namespace

bool is_experiment_name(std::string_view name) {
  return !name.empty() && is_letter(name[0]) && std::ranges::all_of(name, [](char c) {
    return is_letter_or_digit(c) || c == '_' || c == '-' || c == '.';
  });
}

MlflowRun::MlflowRun(const fs::path& store, const std::string& experiment, const std::string& id,
                     const std::string& name) try {
  const std::string number = experiment_id(store, experiment, id);
  folder_ = store / number / id;
  if (fs::exists(folder_ / kMetaFile)) {
    set_status(MlflowStatus::running);
    return;
  }
  for (const char* part : {"params", "tags", "metrics"}) {
    fs::create_directories(folder_ / part);
  }
  write_file_atomically(
      folder_ / kMetaFile,
      fmt::format("artifact_uri: {}\nend_time: null\nentry_point_name: ''\nexperiment_id: '{}'\n"
                  "lifecycle_stage: active\nrun_id: {}\nrun_name: {}\nrun_uuid: {}\n"
                  "source_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: {}\n"
                  "status: {}\ntags: []\nuser_id: ''\n",
                  yaml_text(uri_of(folder_ / "artifacts")), number, yaml_text(id), yaml_text(name),
                  yaml_text(id), milliseconds(), static_cast<int>(MlflowStatus::running)));
} catch (const fs::filesystem_error& error) {
  fail<DataError>("{}: cannot be used as an MLflow file store ({}); log.mlflow names it",
                  printable(store.native()), error.code().message());
} catch (const Error& error) {
  fail<DataError>("{}; log.mlflow names the store", error.what());
}

void MlflowRun::set_param(const std::string& key, std::string_view value) const {
  write_text(folder_ / "params" / key, value, O_TRUNC);
}

void MlflowRun::set_tag(const std::string& key, std::string_view value) const {
  write_text(folder_ / "tags" / key, value, O_TRUNC);
}

void MlflowRun::set_status(MlflowStatus status) const {
  const std::string meta = read_text_file(folder_ / kMetaFile, kMaxMetaBytes);
  const std::string end = status == MlflowStatus::running ? "null" : std::to_string(milliseconds());
  write_file_atomically(folder_ / kMetaFile,
                        with_field(with_field(meta, "end_time", end), "status",
                                   std::to_string(static_cast<int>(status))));
}

void MlflowRun::add_metric(const std::string& key, double value, int64_t step) const {
  std::string name = key;
  for (size_t at = 0; (at = name.find('@', at)) != std::string::npos;) {
    name.replace(at, 1, "_at_");
  }
  write_text(folder_ / "metrics" / name, fmt::format("{} {} {}\n", milliseconds(), value, step),
             O_APPEND);
}

// MLflow follows no link that leads out of artifacts/, but artifacts/ itself may be one; and
// `mlflow gc`, which deletes whole folders, refuses to delete through a link.
void MlflowRun::link_artifacts(const fs::path& folder) const {
  const fs::path link = folder_ / "artifacts";
  std::error_code failed;
  if (fs::is_symlink(link, failed)) {  // the run folder may have moved
    fs::remove(link, failed);
  }
  if (!fs::exists(link)) {
    fs::create_directory_symlink(fs::absolute(folder), link, failed);
    require(!failed, "{}: cannot be linked to the run folder: {}", link.string(),
            failed.message());
  }
}

void MlflowRun::cut_metrics(int64_t step) const {
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "metrics")) {
    if (entry.is_regular_file()) {
      cut_lines(entry.path(), [step](std::string_view line) {
        const auto logged = number_of<int64_t>(line.substr(line.rfind(' ') + 1));
        return logged && *logged <= step;
      });
      if (fs::file_size(entry.path()) == 0) {  // MLflow refuses a run that has such a file
        fs::remove(entry.path());
      }
    }
  }
}

}  // namespace mld
