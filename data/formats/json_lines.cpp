#include "data/formats/json_lines.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "core/error.h"
#include "data/formats/csv_facts.h"
#include "data/formats/json_labels.h"
#include "data/formats/split_words.h"
#include "data/picture_files.h"
#include "data/text.h"

namespace mld {
namespace {

using Json = rapidjson::Value;

constexpr size_t kMostLineBytes = size_t{64} << 20;  // parsed, it takes ten times as much

// Turns records into rows.
class RecordReader {
 public:
  RecordReader(JsonLines& lines, const WrittenPaths& paths)
      : lines_(lines), paths_(paths), list_(lines) {}

  void take(const Json& record, int64_t line) {
    line_ = line;
    if (lines_.path_key.empty()) {
      lines_.path_key = path_member(record);
      lines_.split_key = split_member(record);
    }
    LabelList::Row row;
    row.line = line;
    const auto path = record.FindMember(lines_.path_key.c_str());
    const auto written = path == record.MemberEnd() ? std::nullopt : json_scalar(path->value);
    require<DataError>(written.has_value(), "{}: no text \"{}\", which names the picture in the "
                       "lines before", where(), printable(lines_.path_key));
    row.path = paths_.relative(*written, where());
    add_labels(record, row);
    if (!lines_.split_key.empty()) {
      const auto split = record.FindMember(lines_.split_key.c_str());
      const bool given = split != record.MemberEnd() && split->value.IsString();
      row.split = list_.split(given ? std::string(trimmed(json_text(split->value))) : "");
    }
    list_.add(std::move(row));
  }

  void finish() {
    require<DataError>(!lines_.rows.empty(), "{}: no lines, expected objects such as "
                       "{{\"file_name\": \"a.jpg\", \"labels\": [\"cat\"]}}", lines_.name);
    lines_.labels_key = labels_.key();
    lines_.example = labels_.example();
    require<DataError>(!lines_.labels_key.empty(),
                       "{}: no member holds labels; call it \"labels\"", lines_.name);
    split_by_folders();
    list_.finish();
  }

 private:
  std::string where() const { return fmt::format("{}:{}", lines_.name, line_); }

  std::string path_member(const Json& record) const {
    const auto path_like = [](const Json& value) {
      return value.IsString() && looks_like_path(json_text(value));
    };
    for (const bool sure : {true, false}) {
      for (const bool must_look : {true, false}) {
        const auto found = json_members(record, [&](std::string_view key, const Json& value) {
          return json_role(key, CsvColumn::path, sure) &&
                 (must_look ? path_like(value) : json_scalar(value).has_value());
        });
        if (!found.empty()) {
          return only_member(found, "the picture", where());
        }
      }
      const auto others = json_members(record, [](std::string_view, const Json& value) {
        return value.IsString() && is_picture_name(json_text(value));
      });
      if (sure && !others.empty()) {
        return only_member(others, "the picture", where());
      }
    }
    fail<DataError>("{}: no member names the picture; call it \"file_name\"", where());
  }

  static std::string split_member(const Json& record) {
    const auto found = json_members(record, [](std::string_view key, const Json& value) {
      return json_role(key, CsvColumn::split, true) && value.IsString() &&
             !split_of_word(json_text(value)).empty();
    });
    return found.size() == 1 ? found[0] : "";
  }

  void add_labels(const Json& record, LabelList::Row& row) {
    const JsonLabels labels = labels_.read(record, lines_.path_key, where());
    for (const std::string& label : labels.present) {
      row.labels.push_back(list_.label(label, line_));
    }
    for (const std::string& label : labels.unknown) {
      row.unknown.push_back(list_.label(label, line_));
    }
    for (const std::string& label : labels.absent) {
      list_.label(label, line_);  // it is a class, even if no picture shows it
    }
  }

  // file_name "train/a.png": as Hugging Face reads a list that lies above the splits' folders.
  void split_by_folders() {
    if (!lines_.split_key.empty()) {
      return;
    }
    std::vector<std::string> splits;
    for (const LabelList::Row& row : lines_.rows) {
      const size_t slash = row.path.find('/');
      splits.push_back(slash == std::string::npos ? "" : split_of_word(row.path.substr(0, slash)));
      if (splits.back().empty()) {
        return;
      }
    }
    for (size_t i = 0; i < splits.size(); ++i) {
      lines_.rows[i].split = list_.split(splits[i]);
    }
    lines_.split_by_folder = true;
  }

  JsonLines& lines_;
  const WrittenPaths& paths_;
  LabelListBuilder list_;
  JsonLabelReader labels_;
  int64_t line_ = 0;
};

void take_line(std::string_view line, int64_t number, const std::string& name,
               RecordReader& reader) {
  require<DataError>(line.size() <= kMostLineBytes, "{}:{}: a line of {} bytes, expected one "
                     "picture a line", name, number, line.size());
  const rapidjson::Document record = parse_json(line, fmt::format("{}:{}", name, number));
  require<DataError>(record.IsObject(), "{}:{}: {}, expected one JSON object a line", name, number,
                     json_kind(record));
  reader.take(record, number);
}

}  // namespace

std::string JsonLines::note() const {
  return fmt::format(
      "{}: labels from \"{}\", {}{}{}{}{}", name, printable(labels_key), counts_text(),
      merged_text(), unknown_text("null"),
      split_by_folder ? "; splits by the paths' first folders" : "",
      example.empty() ? "" : fmt::format("; a text is one label, such as '{}': write several as a "
                                         "list", printable(example)));
}

JsonLines parse_json_lines(std::string_view text, const std::string& name,
                           const WrittenPaths& paths) {
  JsonLines lines;
  lines.name = name;
  RecordReader reader(lines, paths);
  for_filled_lines(without_mark(text, name), [&](std::string_view line, int64_t number) {
    take_line(line, number, name, reader);
  });
  reader.finish();
  return lines;
}

}  // namespace mld
