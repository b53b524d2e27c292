// The programs on a terminal: bars, what a locale or a narrow window changes, and interruption.
#include <doctest/doctest.h>
#include <pty.h>
#include <termios.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/program.h"

namespace mld::test {
namespace {

// A program of this build on a terminal of its own.
class OnTerminal {
 public:
  OnTerminal(const std::string& name, std::vector<std::string> words, unsigned short columns,
             const char* locale) {
    words.insert(words.begin(), (fs::path(binary_dir()) / name).string());
    winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    child_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (child_ == 0) {
      ::setenv("LC_ALL", locale, 1);
      ::setenv("TERM", "xterm", 1);
      std::vector<char*> argv;
      for (std::string& word : words) {
        argv.push_back(word.data());
      }
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  ~OnTerminal() { ::close(terminal_); }

  // Reads until the output has `part`, or to its end.
  const std::string& read_until(const std::string& part) {
    char buffer[4096];
    while (part.empty() || output_.find(part) == std::string::npos) {
      const ssize_t count = ::read(terminal_, buffer, sizeof buffer);
      if (count <= 0) {  // EIO: the program has ended
        break;
      }
      output_.append(buffer, static_cast<size_t>(count));
    }
    return output_;
  }
  void type(const std::string& keys) const {
    REQUIRE(::write(terminal_, keys.data(), keys.size()) == std::ssize(keys));
  }
  // The exit code; -signal if one ended it. To be called once.
  int wait() {
    read_until("");
    int status = 0;
    ::waitpid(child_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  int terminal_ = -1;
  pid_t child_ = -1;
  std::string output_;
};

const std::string kControlC = "\x03";

fs::path a_picture(const TemporaryFolder& folder) {
  const fs::path path = folder.path() / "a.ppm";
  write_file(path, "P6\n2 2\n255\n" + std::string(12, 'x'));
  return path;
}

}  // namespace

TEST_CASE("predict shows bars on a terminal, as wide as it allows, and nowhere else") {
  const TemporaryFolder folder;
  const std::vector<std::string> words = {"predict", trained_run().string(),
                                          a_picture(folder).string(), "--top-k", "3"};
  const auto shown = [&](unsigned short columns, const char* locale) {
    OnTerminal program("mlinfer", words, columns, locale);
    const std::string text = program.read_until("");
    CHECK(program.wait() == 0);
    return text;
  };
  const Program piped("mlinfer", words, folder);
  REQUIRE(piped.wait() == 0);
  const std::string plain = piped.out();
  CHECK(plain.find_first_of("#\x1b\r\xe2") == std::string::npos);
  const std::string wide = shown(80, "C.UTF-8"), ascii = shown(80, "C"), narrow = shown(24, "C");
  CHECK(wide.find("█") != std::string::npos);
  CHECK(ascii.find("█") == std::string::npos);
  CHECK(ascii.find("#") != std::string::npos);
  CHECK(narrow.find('#') == std::string::npos);
  const auto labels = [](std::string text) {  // without bars, blanks and line ends
    std::erase_if(text, [](char c) { return c == '#' || c == ' ' || c == '\r'; });
    return text;
  };
  CHECK(labels(ascii) == labels(plain));
}

TEST_CASE("Ctrl-C during training: the state is saved, the last line is a whole one") {
  const TemporaryFolder folder;
  std::vector<std::string> words = tiny_run(folder.path() / "run", {"train.epochs=100000"});
  std::erase(words, "--quiet");
  OnTerminal program("mltrain", words, 60, "C");
  program.read_until("epoch 1/100000 ");
  program.type(kControlC);
  const std::string text = program.read_until("");
  CHECK(program.wait() == 75);
  const std::string last = "stopped; continue with: mltrain --resume " +
                           (folder.path() / "run").string() + "\r\n";
  REQUIRE(text.ends_with(last));
  const std::string before = text.substr(0, text.size() - last.size());
  CHECK((before.ends_with("\r\x1b[K") || before.ends_with("\n")));
}

TEST_CASE("Ctrl-C in mlinfer ends it and takes its progress line away") {
  OnTerminal program("mlinfer", {"eval", trained_run().string(), "data.val_size=200000"}, 60, "C");
  program.read_until("pictures");
  program.type(kControlC);
  const std::string text = program.read_until("");
  CHECK(program.wait() == -SIGINT);
  CHECK(text.ends_with("\r\x1b[K"));
}

}  // namespace mld::test
