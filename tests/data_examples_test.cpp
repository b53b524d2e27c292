// The examples of docs/data.md: each is written to a folder and opened as it stands there.
#include <map>
#include <set>

#include <fmt/ranges.h>

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

// "1 cat sofa, 2 dog ?cat": the pictures' names in order, and labels, ? where nobody knows.
std::string in_words(const Dataset& data) {
  std::set<std::string> pictures;
  for (int64_t i = 0; i < data.size(); ++i) {
    std::string name = fs::path(data.source(i)).stem();
    name.erase(0, name.find_first_not_of('0'));
    std::map<std::string, Label> labels;
    for (const std::string& unlisted : data.class_names()) {
      labels[lowered(unlisted)] = data.unlisted().label;
    }
    for (const LabelEntry& entry : data.labels(i)) {
      labels[lowered(data.class_names()[static_cast<size_t>(entry.column)])] = entry.label;
    }
    for (const auto& [label, state] : labels) {
      name += state == Label::present ? " " + label : state == Label::unknown ? " ?" + label : "";
    }
    pictures.insert(std::move(name));
  }
  return fmt::format("{}", fmt::join(pictures, ", "));
}

struct Meaning {
  std::string format, train, val;
};

// What the examples say, in the page's order.
const std::vector<Meaning> kMeanings = {
    {"folder", "1 cat, 2 cat, 3 dog", "4 cat, 5 dog"},
    {"csv", "1 cat sofa, 2 dog, 3 cat dog", "4 dog sofa"},
    {"csv", "1 cat sofa, 2 dog", "3 cat ?dog"},
    {"jsonl", "1 cat sofa, 2 dog", "3 cat"},
    {"coco", "1 cat, 2 dog", "3 dog"},
    {"voc", "1 cat sofa, 2 dog", "3 ?cat"},
    {"text", "1 cat sofa, 2 dog", "3 cat"},
    {"open_images", "1 cat, 2 dog", "3 cat ?dog"},
    {"nus_wide", "1 cat sofa, 2 dog", "3 sofa zebra"}};

}  // namespace

TEST_CASE("every example of docs/data.md is read as what it shows") {
  std::set<std::string> shown;
  const std::vector<Example> all = examples();
  REQUIRE(all.size() == kMeanings.size());
  for (size_t i = 0; i < all.size(); ++i) {
    const Example& example = all[i];
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
      options.zero_shot = true;
    }
    CHECK_EQ(format_of(options).name, example.format);
    const Splits splits = open_splits(options);
    CHECK_EQ(splits.train->size() + splits.val->size(), pictures);
    CHECK_EQ(example.format, kMeanings[i].format);
    CHECK_EQ(in_words(*splits.train), kMeanings[i].train);
    CHECK_EQ(in_words(*splits.val), kMeanings[i].val);
    shown.insert(example.format);
  }
  for (const DataFormat* format : data_formats()) {
    const bool binary = format->name == "webdataset" || format->name == "cifar";
    CHECK_EQ(shown.contains(std::string(format->name)), format->detect != nullptr && !binary);
  }
}

}  // namespace mld::test
