#include "train/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <optional>

#include <fmt/core.h>
#include <rapidjson/document.h>

#include "data/json_writer.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr int64_t kMaxLogBytes = int64_t{4} << 30;

std::string reason() { return std::strerror(errno); }

// Keeps the leading lines for which keep(line) holds; a line without '\n' goes too.
void cut_after(const std::filesystem::path& path,
               const std::function<bool(std::string_view line)>& keep) {
  if (!std::filesystem::exists(path)) {
    return;
  }
  const std::string text = read_text_file(path, kMaxLogBytes);
  size_t kept = 0;
  for (;;) {
    const size_t end = text.find('\n', kept);
    if (end == std::string::npos || !keep(std::string_view(text).substr(kept, end - kept))) {
      break;
    }
    kept = end + 1;
  }
  require<DataError>(kept == text.size() || ::truncate(path.c_str(), static_cast<off_t>(kept)) == 0,
                     "{}: cannot shorten: {}", path.string(), reason());
}

// Field i of a CSV line whose fields up to i are not quoted.
std::string_view csv_part(std::string_view line, size_t i) {
  for (; i > 0; --i) {
    const size_t comma = line.find(',');
    line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
  }
  return line.substr(0, line.find_first_of(",\r"));
}

std::optional<int64_t> integer(std::string_view text) {
  int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = result.ec == std::errc() && result.ptr == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

}  // namespace

LineFile::LineFile(const std::filesystem::path& path)
    : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  require<DataError>(file_.open(), "{}: cannot open for writing: {}", path.string(), reason());
}

bool LineFile::empty() const {
  struct stat status {};
  return ::fstat(file_.get(), &status) == 0 && status.st_size == 0;
}

bool LineFile::append(std::string_view line) {
  const std::string text = std::string(line) + "\n";
  const ssize_t written = ::write(file_.get(), text.data(), text.size());
  return written == static_cast<ssize_t>(text.size());
}

void cut_csv(const std::filesystem::path& path, int64_t step) {
  std::optional<size_t> column;
  cut_after(path, [&](std::string_view line) {
    if (!column) {  // the header
      for (size_t i = 0; i <= static_cast<size_t>(std::count(line.begin(), line.end(), ',')); ++i) {
        if (csv_part(line, i) == "step") {
          column = i;
        }
      }
      require<DataError>(column.has_value(), "{}: no column named step", path.string());
      return true;
    }
    const std::optional<int64_t> value = integer(csv_part(line, *column));
    return value && *value <= step;
  });
}

void cut_jsonl(const std::filesystem::path& path, int64_t step) {
  cut_after(path, [step](std::string_view line) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(line.data(), line.size());
    if (document.HasParseError() || !document.IsObject()) {
      return false;
    }
    const auto member = document.FindMember("step");
    return member == document.MemberEnd() ||
           (member->value.IsInt64() && member->value.GetInt64() <= step);
  });
}

std::string json_object(std::initializer_list<std::pair<std::string_view, JsonValue>> members) {
  JsonWriter json;
  json.object();
  for (const auto& [name, value] : members) {
    std::visit([&, key = name](const auto& plain) { json.member(key, plain); }, value);
  }
  return json.end().text();
}

std::string printable_lines(std::string_view text) {
  std::string result;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    result += (begin > 0 ? "\n" : "") + printable(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

}  // namespace mld
