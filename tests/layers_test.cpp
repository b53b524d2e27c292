// The tree's own rules: includes go in one direction, and only core/kernels names the CUDA backend.
// Unusual sizes are printed, not refused.
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/paths.h"

namespace {

namespace fs = std::filesystem;

// Which folders a folder's files may include: core <- cuda; core <- autograd <- nn <-
// {models, optim} <- train <- app; core <- data <- train.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"core", {"core"}},
    {"cuda", {"cuda", "core"}},
    {"autograd", {"autograd", "core"}},
    {"nn", {"nn", "autograd", "core"}},
    {"models", {"models", "nn", "autograd", "core"}},
    {"optim", {"optim", "nn", "autograd", "core"}},
    {"data", {"data", "core"}},
    {"train", {"train", "models", "optim", "nn", "autograd", "data", "core"}},
    {"app", {"app", "train", "models", "optim", "nn", "autograd", "data", "core"}},
};

// System headers for reading or writing files, which the mathematics does not do.
const std::set<std::string> kFileHeaders = {"fstream", "filesystem", "cstdio", "fcntl.h",
                                            "sys/mman.h"};
const std::set<std::string> kNoFiles = {"autograd", "nn", "models"};

// The folders in the README's line count, which leaves kernels out.
const std::set<std::string> kEngine = {"core", "autograd", "nn", "models", "optim"};

// The rules that `text`, the file at `path` (relative, with /), breaks.
std::vector<std::string> broken_rules(const std::string& path, const std::string& text) {
  static const std::regex include("^[ \t]*#[ \t]*include[ \t]*([\"<])([^\">]+)[\">]");
  static const std::regex names_cuda("(^|[^:A-Za-z_])(mld::)?cuda::|namespace (mld::)?cuda");
  std::vector<std::string> broken;
  const std::string folder = path.substr(0, path.find('/'));
  const bool may_name_cuda =
      folder == "cuda" || path == "core/kernels.h" || path == "core/kernels.cpp";
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const std::string where = fmt::format("{}:{}: ", path, number);
    const std::string code = line.substr(0, line.find("//"));
    std::smatch match;
    if (std::regex_search(line, match, include)) {
      const std::string header = match[2];
      const std::string target = header.substr(0, header.find('/'));
      if (match[1] == "<") {
        if (kNoFiles.contains(folder) && kFileHeaders.contains(header)) {
          broken.push_back(where + folder + " does not read files, but includes <" + header + ">");
        }
      } else if (header.find('/') == std::string::npos) {
        broken.push_back(where + "\"" + header + "\" is not a path from the root of the tree");
      } else if (!kMayInclude.at(folder).contains(target)) {
        broken.push_back(where + folder + " may not include " + header);
      }
    } else if (!may_name_cuda && std::regex_search(code, names_cuda)) {
      broken.push_back(where + "only core/kernels names the cuda backend");
    }
  }
  return broken;
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool is_source(const fs::path& path) {
  static const std::set<std::string> endings = {".h", ".cpp", ".inc", ".cu", ".cuh"};
  return endings.contains(path.extension().string());
}

// Every source file below these folders: relative path -> text.
std::map<std::string, std::string> sources(const std::vector<std::string>& folders) {
  const fs::path root = mld::test::source_dir();
  std::map<std::string, std::string> found;
  for (const std::string& folder : folders) {
    if (!fs::exists(root / folder)) {
      continue;  // cuda is an issue of its own
    }
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.is_regular_file() && is_source(entry.path())) {
        found[entry.path().lexically_relative(root).generic_string()] = read(entry.path());
      }
    }
  }
  return found;
}

}  // namespace

TEST_CASE("includes go one way") {
  std::vector<std::string> folders;
  for (const auto& [folder, allowed] : kMayInclude) {
    folders.push_back(folder);
  }
  const auto files = sources(folders);
  CHECK(files.size() > 50);
  for (const auto& [path, text] : files) {
    for (const std::string& rule : broken_rules(path, text)) {
      FAIL_CHECK(rule);
    }
  }
}

TEST_CASE("the check notices a file that breaks a rule") {
  const auto count = [](const std::string& path, const std::string& text) {
    return broken_rules(path, text).size();
  };
  CHECK(count("core/a.cpp", "#include \"autograd/tape.h\"\n") == 1);
  CHECK(count("data/a.cpp", "#include \"nn/module.h\"\n") == 1);
  CHECK(count("models/a.cpp", "#include \"data/file.h\"\n#include <fstream>\n") == 2);
  CHECK(count("optim/a.cpp", "#include \"models/resnet.h\"\n") == 1);
  CHECK(count("nn/a.h", "  #  include \"module.h\"\n") == 1);
  CHECK(count("train/a.cpp", "mld::cuda::fill(0, y);\n") == 1);
  CHECK(count("nn/a.cpp", "cuda::fill(0, y);\n") == 1);
  CHECK(count("train/a.cpp", "#include \"app/cli.h\"\n") == 1);
  CHECK(count("core/kernels.h", "namespace cuda {\n") == 0);
  CHECK(count("train/a.cpp", "device.backend == Backend::cuda  // cuda::\n") == 0);
  CHECK(count("train/a.cpp", "#include \"data/file.h\"\n#include \"core/error.h\"\n") == 0);
  CHECK(broken_rules("core/a.cpp", "\n#include \"nn/module.h\"")[0] ==
        "core/a.cpp:2: core may not include nn/module.h");
}

TEST_CASE("sizes, printed where they are beyond the usual") {
  size_t lines_total = 0, engine = 0;
  for (const auto& [path, text] : sources({"core", "cuda", "autograd", "nn", "models", "optim",
                                           "data", "train", "app", "tests", "bench"})) {
    size_t lines = 0, wide = 0;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
      ++lines;
      wide += line.size() > 100;
    }
    lines_total += lines;
    const std::string folder = path.substr(0, path.find('/'));
    if (kEngine.contains(folder) && !path.starts_with("core/cpu/") &&
        !path.starts_with("core/meta/")) {
      engine += lines;
    }
    if (lines > 350) {
      MESSAGE(fmt::format("{}: {} lines (usual: up to 350)", path, lines));
    }
    if (wide > 0) {
      MESSAGE(fmt::format("{}: {} lines beyond 100 columns", path, wide));
    }
  }
  MESSAGE(fmt::format("{} lines in all, {} in the engine without kernels", lines_total, engine));

  // The README's first paragraph says how much there is to read.
  static const std::regex stated("about ([0-9]+),([0-9]{3})\\s+lines");
  const std::string readme = read(fs::path(mld::test::source_dir()) / "README.md");
  std::smatch match;
  REQUIRE(std::regex_search(readme, match, stated));
  const double said = std::stod(match[1].str() + match[2].str());
  CHECK(said == doctest::Approx(static_cast<double>(engine)).epsilon(0.1));
}
