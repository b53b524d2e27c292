// Running the programs under test: mltrain and mlinfer of this build.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/data_files.h"
#include "tests/paths.h"

namespace mld::test {

// A run of a program whose output goes to files.
class Program {
 public:
  // `name` is the program, `arguments` its command line. `file_limit` is the most bytes per written
  // file (a stand-in for a full disk), 0: no limit. It runs in the folder `from`, "" for the test's
  // own.
  Program(const std::string& name, const std::vector<std::string>& arguments,
          const TemporaryFolder& folder, rlim_t file_limit = 0, const fs::path& from = {})
      : out_(folder.path() / "stdout"), err_(folder.path() / "stderr") {
    child_ = ::fork();
    if (child_ == 0) {
      if (!from.empty() && ::chdir(from.c_str()) != 0) {
        ::_exit(126);
      }
      start(fs::path(binary_dir()) / name, arguments, file_limit);
    }
  }
  void signal(int number) const { ::kill(child_, number); }
  // The exit code; -signal if one ended it.
  int wait() const {
    int status = 0;
    ::wait4(child_, &status, 0, &usage_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  // Waits until the condition holds or the program has ended, however long that takes.
  void wait_until(const std::function<bool()>& holds) const {
    const auto ended = [&] {
      siginfo_t info = {};
      return ::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
             info.si_pid != 0;
    };
    while (!holds() && !ended()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  // Whether it has installed its own handler for the signal by now.
  bool handles(int number) const {
    const fs::path process = fs::path("/proc") / std::to_string(child_);
    std::error_code gone;
    if (fs::read_symlink(process / "exe", gone) == fs::read_symlink("/proc/self/exe", gone)) {
      return false;
    }
    const std::string status = read_file(process / "status");
    const size_t at = status.find("SigCgt:");
    return at != std::string::npos &&
           (std::strtoull(status.c_str() + at + 7, nullptr, 16) >> (number - 1) & 1) != 0;
  }
  // Of a program that has ended: peak resident size, processor time of all threads.
  double peak_gib() const { return static_cast<double>(usage_.ru_maxrss) / (1 << 20); }
  double cpu_seconds() const {
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return seconds(usage_.ru_utime) + seconds(usage_.ru_stime);
  }
  std::string out() const { return read_file(out_); }
  std::string err() const { return read_file(err_); }

 private:
  [[noreturn]] void start(const fs::path& program, const std::vector<std::string>& arguments,
                          rlim_t file_limit) const {
    const auto redirect = [](const fs::path& path, int to) {
      ::dup2(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), to);
    };
    redirect(out_, STDOUT_FILENO);
    redirect(err_, STDERR_FILENO);
    if (file_limit > 0) {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit = {file_limit, file_limit};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    std::vector<std::string> words = {program.string()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) {
      argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  fs::path out_, err_;
  pid_t child_ = -1;
  mutable rusage usage_{};
};

inline int run(const std::string& name, const std::vector<std::string>& arguments,
               const TemporaryFolder& folder) {
  return Program(name, arguments, folder).wait();
}

// Starts a program, sends it the signal once ready() holds and returns its exit code. On a busy
// machine it may end before the signal arrives: then it is started again.
inline int interrupted(const std::function<Program()>& start, const std::function<bool()>& ready,
                       int signal) {
  for (;;) {
    const Program program = start();
    program.wait_until(ready);
    program.signal(signal);
    if (const int code = program.wait(); code != 0) {
      return code;
    }
  }
}

// A small backbone: a run's files and time are mostly its weights.
inline const std::string kTinyBackbone = "efficientnet_lite0";
inline const std::string kTinyDecoder = "classifier.decoder";  // its ML-Decoder's tensors

// A run of a few seconds on the embedded data, with all that a resume has to restore.
inline std::vector<std::string> tiny_run(const fs::path& out,
                                         const std::vector<std::string>& more = {}) {
  // On the emulated device a step takes more than a second.
  const std::string size = std::getenv("EMU_CONV") != nullptr ? "48" : "96";
  std::vector<std::string> arguments = {
      source_dir() + "/configs/shapes_resnet18.toml",
      "model.backbone=" + kTinyBackbone, "data.image_size=32", "data.train_size=" + size,
      "data.val_size=32", "augment.cutout=0.5", "augment.aa=randaugment", "model.embed_dim=32",
      "train.epochs=3", "train.batch_size=16", "train.model_ema_decay=0.9", "threads=2",
      "--out", out.string(), "--quiet"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

inline bool contains(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) {
    MESSAGE("not in: ", text);
  }
  return found;
}

inline fs::path last(const fs::path& run) { return run / "weights/last.safetensors"; }

// One trained run, made on first use, shared by the test cases.
inline const fs::path& trained_run() {
  static const TemporaryFolder folder;
  static const fs::path run_folder = [] {
    REQUIRE(run("mltrain", tiny_run(folder.path() / "run"), folder) == 0);
    return folder.path() / "run";
  }();
  return run_folder;
}

}  // namespace mld::test
