// The examples of docs/data.md: each is written to a folder and opened as it stands there.
#include <set>

#include "data/formats/format.h"
#include "data/unicode.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

struct Example {
  std::string format;
  std::vector<std::pair<std::string, std::string>> files;  // a picture has no content
};

// Blocks that begin with ``` and a format's name. Lines at the margin are files, indented ones the
// content of the file above.
std::vector<Example> examples() {
  std::vector<Example> found;
  bool inside = false;
  std::ifstream page(fs::path(source_dir()) / "docs/data.md");
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("```")) {
      inside = !inside;
      if (inside) {
        found.push_back({line.substr(3), {}});
      }
    } else if (inside && line.starts_with("    ")) {
      found.back().files.back().second += line.substr(4) + "\n";
    } else if (inside) {
      found.back().files.emplace_back(line, "");
    }
  }
  return found;
}

}  // namespace

TEST_CASE("every example of docs/data.md is read as what it shows") {
  std::set<std::string> shown;
  for (const Example& example : examples()) {
    CAPTURE(example.format);
    const TemporaryFolder folder;
    int pictures = 0;
    for (const auto& [name, content] : example.files) {
      if (content.empty()) {
        folder.write_picture(name, 10 * ++pictures);
      } else {
        folder.write(name, content);
      }
    }
    DataOptions options;
    options.root = folder.path() / "pets";
    if (example.format == "nus_wide") {  // it looks like a plain list
      options.format = example.format;
    }
    CHECK_EQ(format_of(options).name, example.format);
    const Splits splits = open_splits(options);
    CHECK_EQ(splits.train->size() + splits.val->size(), pictures);
    const bool unseen = example.format == "nus_wide";
    const auto names = [](const Dataset& data) {
      return std::set<std::string>(data.label_space().names.begin(),
                                   data.label_space().names.end());
    };
    std::set<std::string> all = names(*splits.train);
    all.merge(names(*splits.val));
    for (const std::string& name : all) {  // nothing but the labels that a reader sees
      CHECK(std::set<std::string>{"cat", "dog", "sofa", "zebra"}.contains(lowered(name)));
    }
    CHECK(all.size() >= 2);
    CHECK_EQ(all.contains("zebra"), unseen);
    shown.insert(example.format);
  }
  for (const DataFormat* format : data_formats()) {
    const bool binary = format->name == "webdataset" || format->name == "cifar";
    CHECK_EQ(shown.contains(std::string(format->name)), format->detect != nullptr && !binary);
  }
}

}  // namespace mld::test
