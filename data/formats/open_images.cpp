#include "data/formats/open_images.h"

#include <map>
#include <optional>

#include "core/error.h"
#include "data/formats/csv_facts.h"
#include "data/formats/csv_text.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr std::string_view kExpected = "expected ImageID,Source,LabelName,Confidence";

struct Columns {
  size_t image = 0, label = 0, confidence = 0, count = 0;
  std::optional<size_t> source;
};

Columns columns_of(const std::vector<std::string>& header, const std::string& name) {
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < header.size(); ++i) {
    places.emplace(plain_name(header[i]), i);
  }
  const auto place = [&](const std::string& column) {
    const auto found = places.find(column);
    require<DataError>(found != places.end(), "{}:1: no column {}, {}", name, column, kExpected);
    return found->second;
  };
  Columns columns{place("imageid"), place("labelname"), place("confidence"), header.size(), {}};
  if (const auto source = places.find("source"); source != places.end()) {
    columns.source = source->second;
  }
  return columns;
}

double confidence_of(std::string_view text, bool machine, const std::string& where) {
  text = trimmed(text);
  const double value = number_of<double>(text).value_or(-1);
  require<DataError>(value >= 0 && value <= 1, "{}: confidence '{}', expected a number from 0 to 1",
                     where, printable(text));  // not NaN either
  require<DataError>(machine || value == 0 || value == 1,
                     "{}: confidence {} of a person, expected 1 (it is there) or 0 (it is not); a "
                     "classifier's rows have the source machine", where, value);
  return value;
}

}  // namespace

void read_open_images(std::string_view text, const std::string& name,
                      const std::function<void(const OpenImagesRow&)>& take) {
  CsvReader reader(text, name);
  std::vector<std::string> fields;
  int64_t line = 0;
  require<DataError>(reader.next(fields, line), "{}: the file is empty, {}", name, kExpected);
  const Columns columns = columns_of(fields, name);
  OpenImagesRow row;
  while (reader.next(fields, line)) {
    const std::string where = fmt::format("{}:{}", name, line);
    require<DataError>(fields.size() == columns.count, "{}: {}, expected {} as in the first line",
                       where, counted(static_cast<int64_t>(fields.size()), "column"),
                       columns.count);
    row.image = trimmed(fields[columns.image]);
    row.label = trimmed(fields[columns.label]);
    require<DataError>(!row.image.empty() && !row.label.empty(), "{}: an empty {}", where,
                       row.image.empty() ? "ImageID" : "LabelName");
    require<DataError>(is_utf8(row.label), "{}: label '{}' is not UTF-8", where,
                       printable(row.label));
    row.machine = columns.source && trimmed(fields[*columns.source]) == "machine";
    row.confidence = confidence_of(fields[columns.confidence], row.machine, where);
    take(row);
  }
}

bool is_open_images_header(std::string_view start) {
  const std::string plain = plain_name(start.substr(0, start.find('\n')));
  const auto has = [&](std::string_view name) { return plain.find(name) != std::string::npos; };
  return has("imageid") && has("labelname") && has("confidence") && !has("xmin");
}

std::unordered_map<std::string, std::string> read_label_names(std::string_view text,
                                                              const std::string& name) {
  CsvReader reader(text, name);
  std::unordered_map<std::string, std::string> names;
  std::unordered_map<std::string, int> uses;
  std::vector<std::string> fields;
  for (int64_t line = 0; reader.next(fields, line);) {
    require<DataError>(fields.size() == 2 && !trimmed(fields[0]).empty() &&
                           !trimmed(fields[1]).empty() && is_utf8(fields[0]) &&
                           is_utf8(fields[1]),
                       "{}:{}: expected a label and its description, such as /m/01g317,Person",
                       name, line);
    if (plain_name(fields[0]) != "labelname") {
      names[std::string(trimmed(fields[0]))] = trimmed(fields[1]);
    }
  }
  for (const auto& [label, described] : names) {
    ++uses[described];
  }
  for (auto& [label, described] : names) {
    if (uses[described] > 1) {
      described += " (" + label + ")";
    }
  }
  return names;
}

}  // namespace mld
