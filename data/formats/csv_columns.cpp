// Finds the role of each column of a list: from the header, its content, or the user's word.
#include <algorithm>
#include <map>

#include "core/error.h"
#include "data/formats/csv_facts.h"
#include "data/formats/split_words.h"
#include "data/picture_files.h"
#include "data/text.h"

namespace mld {
namespace {

class ColumnFinder {
 public:
  ColumnFinder(const std::vector<CsvRecord>& sample, const std::string& name, CsvLayout& layout)
      : sample_(sample), name_(name), layout_(layout) {
    for (size_t c = 0; c < first().size(); ++c) {
      layout_.names.emplace_back(trimmed(first()[c]));
      plain_.push_back(plain_name(first()[c]));
      known_names_ = known_names_ || known_name(plain_.back()) != nullptr;
      facts_.push_back(facts_of(sample, c));
      path_name_ = path_name_ || (facts_[c].paths && names_path(first()[c]));
    }
    path_name_ = path_name_ && std::ranges::none_of(first(), [](const std::string& cell) {
      return is_picture_name(trimmed(cell));
    });
    layout_.columns.assign(first().size(), CsvColumn::unused);
  }

  void find() {
    const bool data_first = any([&](size_t c) { return facts_[c].paths && path_in_first(c); });
    layout_.header = !data_first && known_names_;
    const size_t path = path_column();
    layout_.columns[path] = CsvColumn::path;
    if (!data_first && !known_names_) {
      layout_.header = !repeats_below(path);
    }
    if (!layout_.header) {
      plain_.assign(plain_.size(), "");
    }
    find_split();
    find_labels();
  }

  void take_given(const std::string& columns) {
    std::vector<CsvColumn> roles;
    for (size_t begin = 0; begin <= columns.size();) {
      const size_t end = std::min(columns.find(',', begin), columns.size());
      roles.push_back(given_role(trimmed(std::string_view(columns).substr(begin, end - begin))));
      begin = end + 1;
    }
    const auto count = [&](CsvColumn role) { return std::ranges::count(roles, role); };
    require<UsageError>(count(CsvColumn::path) == 1 && count(CsvColumn::split) <= 1 &&
                            (count(CsvColumn::labels) > 0) != (count(CsvColumn::indicator) > 0),
                        "data.columns = \"{}\" needs one path, at most one split, and either "
                        "labels or class", printable(columns));
    require<DataError>(roles.size() <= first().size(),
                       "{}:{}: {}, but data.columns = \"{}\" names {}", name_, sample_[0].line,
                       counted(static_cast<int64_t>(first().size()), "column"), printable(columns),
                       roles.size());
    roles.resize(first().size(), roles.back());  // the last word applies to all further columns
    require<DataError>(std::ranges::count(roles, CsvColumn::path) == 1,
                       "{}:{}: {}, but data.columns = \"{}\" names fewer", name_, sample_[0].line,
                       counted(static_cast<int64_t>(first().size()), "column"), printable(columns));
    layout_.columns = roles;
    const size_t path = static_cast<size_t>(std::ranges::find(roles, CsvColumn::path) -
                                            roles.begin());
    layout_.header = facts_[path].paths
                         ? !path_in_first(path) && (known_names_ || !repeats_below(path))
                         : known_names_ || layout_.has(CsvColumn::indicator);
    check_indicators();
    note_flag();
  }

 private:
  const std::vector<std::string>& first() const { return sample_[0].fields; }
  // Whether a cell names paths, such as "Image/ID".
  static bool names_path(std::string_view cell) {
    std::string plain = plain_name(cell);
    std::erase(plain, '/');
    const KnownName* known = known_name(plain);
    return known != nullptr && known->column == CsvColumn::path && known->sure;
  }
  // Among known names "file.name" and "image/file" are names too; a path ends as pictures or other
  // rows do.
  bool path_in_first(size_t c) const {
    const std::string_view cell = trimmed(first()[c]);
    return !path_name_ && looks_like_path(cell) &&
           (!known_names_ || is_picture_name(cell) ||
            (!facts_[c].endings && cell.find_first_of("/\\") != cell.npos) ||
            std::any_of(sample_.begin() + 1, sample_.end(), [&](const CsvRecord& record) {
              return trimmed(record.fields[c]).ends_with(cell.substr(cell.find_last_of("./\\")));
            }));
  }

  template <class Test>
  bool any(Test&& test) const {
    for (size_t c = 0; c < plain_.size(); ++c) {
      if (test(c)) {
        return true;
      }
    }
    return false;
  }
  template <class Test>
  std::vector<size_t> all(Test&& test) const {
    std::vector<size_t> found;
    for (size_t c = 0; c < plain_.size(); ++c) {
      if (layout_.columns[c] == CsvColumn::unused && test(c)) {
        found.push_back(c);
      }
    }
    return found;
  }
  // The columns whose header names the role.
  std::vector<size_t> named(CsvColumn role, bool sure) const {
    return all([&](size_t c) {
      const KnownName* known = known_name(plain_[c]);
      return known != nullptr && known->column == role && known->sure == sure;
    });
  }

  [[noreturn]] void unclear(const std::string& what) const {
    fail<DataError>("{}:{}: {}: the columns are {}; set data.columns, one word a column of path, "
                    "labels, split, class and -, such as \"path,labels,split\"",
                    name_, sample_[0].line, what, name_list(layout_.names, 8));
  }

  CsvColumn given_role(std::string_view word) const {
    static const std::map<std::string_view, CsvColumn> kWords = {
        {"path", CsvColumn::path}, {"labels", CsvColumn::labels}, {"split", CsvColumn::split},
        {"class", CsvColumn::indicator}, {"-", CsvColumn::unused}};
    const auto found = kWords.find(word);
    require<UsageError>(found != kWords.end(), "data.columns: '{}' is unknown, expected words of "
                        "path, labels, split, class and - (a column that is not used)",
                        printable(word));
    return found->second;
  }

  size_t path_column() const {
    std::vector<size_t> candidates = layout_.header ? named(CsvColumn::path, true)
                                                    : std::vector<size_t>();
    const auto keep = [&](auto&& test) {
      std::vector<size_t> kept;
      std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(kept), test);
      candidates = kept.empty() ? candidates : kept;
    };
    if (candidates.empty()) {
      candidates = all([&](size_t c) {
        const KnownName* known = layout_.header ? known_name(plain_[c]) : nullptr;
        return facts_[c].paths && (known == nullptr || known->column == CsvColumn::path);
      });
    }
    if (candidates.empty() && layout_.header) {
      candidates = named(CsvColumn::path, false);
    }
    keep([&](size_t c) { return facts_[c].paths; });
    keep([&](size_t c) { return facts_[c].endings; });
    if (candidates.size() != 1) {
      unclear(candidates.empty() ? "no column holds paths of pictures"
                                 : "several columns hold paths of pictures");
    }
    return candidates[0];
  }

  // Whether a cell of the first record occurs again in its column: then it is not a header.
  bool repeats_below(size_t path) const {
    return any([&](size_t c) {
      const std::string_view cell = trimmed(first()[c]);
      if (c == path || cell.empty()) {
        return false;
      }
      return (facts_[c].splits && !split_of_word(cell).empty()) ||
             std::any_of(sample_.begin() + 1, sample_.end(), [&](const CsvRecord& record) {
               return trimmed(record.fields[c]) == cell;
             });
    });
  }

  void find_split() {
    std::vector<size_t> found = named(CsvColumn::split, true);
    if (found.empty()) {
      found = all([&](size_t c) { return facts_[c].splits && known_name(plain_[c]) == nullptr; });
    }
    if (found.size() > 1) {
      unclear("several columns hold the split");
    }
    if (!found.empty()) {
      layout_.columns[found[0]] = CsvColumn::split;
    }
    note_flag();
  }

  // Notes a split column of yes and no, whose header asks a question, such as is_valid.
  void note_flag() {
    for (size_t c = 0; c < plain_.size(); ++c) {
      if (layout_.header && layout_.columns[c] == CsvColumn::split && plain_[c].starts_with("is")) {
        layout_.split_flag = plain_[c];
      }
    }
  }

  void find_labels();
  void check_indicators() const;

  const std::vector<CsvRecord>& sample_;
  const std::string& name_;
  CsvLayout& layout_;
  bool known_names_ = false;        // the first record has some
  bool path_name_ = false;          // and the name of a column of paths, so it is a header
  std::vector<std::string> plain_;  // names of the header; empty ones without a header
  std::vector<ColumnFacts> facts_;
};

void ColumnFinder::find_labels() {
  std::vector<size_t> labels = named(CsvColumn::labels, true);
  if (labels.empty()) {
    labels = named(CsvColumn::labels, false);
  }
  const size_t rows = sample_.size() - (sample_.size() > 1 ? 1 : 0);
  const auto rest = all([&](size_t c) {  // columns that may hold labels
    return !plain_[c].empty() ? plain_[c] != "index" && plain_[c] != "unnamed:0" : !layout_.header;
  });
  if (labels.empty() && rest.size() == 1 && !(layout_.header && facts_[rest[0]].any_indicator &&
                                              facts_[rest[0]].indicators == rows)) {
    labels = rest;
  }
  if (labels.size() > 1) {
    unclear("several columns hold labels");
  }
  if (labels.size() == 1) {
    layout_.columns[labels[0]] = CsvColumn::labels;
    for (const size_t c : rest) {  // a list that states absent labels too
      const bool says = std::string_view(" confidence present presence value positive ")
                            .find(" " + plain_[c] + " ") != std::string_view::npos;
      if (says && !plain_[c].empty() && facts_[c].any_indicator && facts_[c].indicators == rows) {
        unclear(fmt::format("column {} may say that a label is absent", printable(first()[c])));
      }
    }
    return;
  }
  for (const size_t c : rest) {
    const bool mostly = facts_[c].any_indicator && 2 * facts_[c].indicators >= rows;
    if (layout_.header && (mostly || facts_[c].indicators == rows)) {
      layout_.columns[c] = CsvColumn::indicator;
    }
  }
  const auto indicators = std::ranges::count(layout_.columns, CsvColumn::indicator);
  if (indicators == 0) {
    unclear(rest.empty() ? "no column holds labels" : "it is not clear which column holds labels");
  }
  if (indicators == 1) {
    unclear("one column holds 0 and 1: it is one class (class), or 0 and 1 are the labels "
            "(labels)");
  }
  check_indicators();
}

void ColumnFinder::check_indicators() const {
  for (size_t c = 0; c < facts_.size(); ++c) {
    if (layout_.columns[c] == CsvColumn::indicator && facts_[c].odd_line != 0) {
      unclear(fmt::format("column {} holds 0 and 1, but something else in line {}",
                          printable(first()[c]), facts_[c].odd_line));
    }
  }
}

}  // namespace

void find_columns(const std::vector<CsvRecord>& sample, const std::string& name,
                  const CsvHints& hints, CsvLayout& layout) {
  ColumnFinder finder(sample, name, layout);
  if (hints.columns == "auto") {
    finder.find();
  } else {
    finder.take_given(hints.columns);
  }
}

}  // namespace mld
