#include "app/init_report.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "app/class_table.h"
#include "app/terminal.h"
#include "core/error.h"
#include "data/split_warnings.h"
#include "data/text.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostDecoded = 20000;  // of a split
constexpr int64_t kFewPictures = 10;     // classes with fewer are named

class Oddities {
 public:
  void add(std::string text) {
    if (!text.empty() && told_.insert(text).second) {
      lines_.push_back(std::move(text));
    }
  }
  void print() const {
    for (const std::string& line : lines_) {
      std::printf("  %s\n", line.c_str());
    }
  }
  bool empty() const { return lines_.empty(); }

 private:
  std::vector<std::string> lines_;
  std::set<std::string> told_;
};

void add_pictures(const char* split, const DatasetReport& report, Oddities& odd) {
  for (const std::string& note : report.picture_notes()) {
    odd.add(fmt::format("{}: {}", split, note));
  }
  for (size_t i = 0; i < std::min<size_t>(report.bad.size(), 5); ++i) {
    odd.add("bad picture: " + printable(report.bad[i].error));
  }
  if (report.bad.size() > 5) {
    odd.add(fmt::format("and {} more bad pictures of {}", report.bad.size() - 5, split));
  }
}

void add_rare_classes(const DatasetReport& train, Oddities& odd) {
  std::vector<std::string> rare;
  for (size_t k = 0; k < train.positives.size(); ++k) {
    if (train.positives[k] > 0 && train.positives[k] < kFewPictures) {
      rare.push_back(train.class_names[k]);
    }
  }
  if (!rare.empty()) {
    odd.add(fmt::format("{} with fewer than {} training pictures: {}",
                        counted(static_cast<int64_t>(rare.size()), "class"), kFewPictures,
                        name_list(rare)));
  }
}

Oddities oddities(const Splits& splits, const Dataset* test, const DatasetReport& train,
                  const DatasetReport& val, const fs::path& root) {
  Oddities odd;
  for (const Dataset* split : {splits.train.get(), splits.val.get()}) {
    for (const std::string& note : split->notes()) {
      if (!note.starts_with("data.val_list")) {  // the summary says it
        odd.add(note);
      }
    }
  }
  for (const std::string& warning : splits.warnings) {
    odd.add("warning: " + warning);
  }
  if (train.decoded && val.decoded) {
    const std::string same = same_pictures_warning(*splits.train, *splits.val, "val");
    odd.add(same.empty() ? "" : "warning: " + same);
  } else {
    odd.add(fmt::format("more than {} pictures: not all were decoded; mltrain check does",
                        kMostDecoded));
  }
  add_pictures("train", train, odd);
  add_pictures("val", val, odd);
  add_rare_classes(train, odd);
  std::vector<const Dataset*> all = {splits.train.get(), splits.val.get()};
  if (test != nullptr) {
    all.push_back(test);
  }
  const std::vector<std::string> unused = unused_pictures(root, all);
  if (!unused.empty()) {
    odd.add(fmt::format("{} below the folder in no split: {}",
                        counted(static_cast<int64_t>(unused.size()), "picture"),
                        printable(name_list(unused))));
  }
  return odd;
}

}  // namespace

DatasetReport look_at(const Dataset& data) { return inspect(data, data.size() <= kMostDecoded); }

void print_data(const Config& config, const Splits& splits, const Dataset* test,
                const DatasetReport& train, const DatasetReport& val, const fs::path& root) {
  std::printf("%s: data.format \"%s\", %s, %s, %.2f labels a picture: %s\n",
              printable(root.native()).c_str(), config.data.format.c_str(),
              counted(train.samples + val.samples, "picture").c_str(),
              counted(static_cast<int64_t>(train.class_names.size()), "class").c_str(),
              (train.labels_per_sample() * static_cast<double>(train.samples) +
               val.labels_per_sample() * static_cast<double>(val.samples)) /
                  static_cast<double>(train.samples + val.samples),
              std::string(word(config.task)).c_str());
  if (test != nullptr) {
    std::printf("test: %s, for mlinfer eval --split test\n",
                counted(test->size(), "picture").c_str());
  }
  std::printf("validation: %s%s\ntraining: %s\n", counted(val.samples, "picture").c_str(),
              config.data.val_list.empty()
                  ? ""
                  : fmt::format(", listed in {}",
                                printable(fs::path(config.data.val_list).filename().native()))
                        .c_str(),
              counted(train.samples, "picture").c_str());
  std::fputs(class_table(train.class_names, train.positives, stdout_style().utf8).c_str(),
             stdout);
  const Oddities odd = oddities(splits, test, train, val, root);
  if (!odd.empty()) {
    std::printf("to know:\n");
    odd.print();
  }
}

}  // namespace mld
