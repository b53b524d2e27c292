// Reads COCO's JSON as a stream of events: only ids, names and size rows are kept.
#include <cstdio>

#include <algorithm>
#include <array>
#include <charconv>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>

#include <rapidjson/filereadstream.h>
#include <rapidjson/memorystream.h>

#include "core/error.h"
#include "data/formats/coco.h"
#include "data/file_kind.h"
#include "data/formats/json.h"
#include "data/text.h"

namespace mld {
namespace {

// Receives parser events: depth 1 is the root object, 2 a section's array, 3 one of its records.
// A handler that returns false stops the parser; message() then says why.
class CocoHandler {
 public:
  explicit CocoHandler(CocoAnnotations& coco) : coco_(coco) {}

  bool StartObject() { return open(false); }
  bool StartArray() { return open(true); }
  bool EndArray(rapidjson::SizeType) { return --depth_, true; }
  bool EndObject(rapidjson::SizeType) {
    const bool record = depth_ == 3 && section_ != Section::other;
    --depth_;
    return !record || finish_record();
  }
  bool Key(const char* text, rapidjson::SizeType length, bool) {
    const std::string_view key(text, length);
    if (depth_ == 1) {
      if (top_keys_.size() < kKeysKept) {
        top_keys_.emplace_back(key);
      }
      section_ = key == "images"        ? Section::images
                 : key == "annotations" ? Section::annotations
                 : key == "categories"  ? Section::categories
                                        : Section::other;
      index_ = 0;
    } else if (depth_ == 3 && section_ != Section::other) {
      field_ = field_named(key);
    }
    return true;
  }
  bool RawNumber(const char* text, rapidjson::SizeType length, bool) {
    return scalar("a number", [&](Field field) { return number(field, {text, length}); });
  }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    return scalar("a string", [&](Field field) {
      if (field != Field::file_name && field != Field::name) {
        return field == Field::area ? number(field, {text, length})
                                    : (id_value(field) = coco_.id_of({text, length}), true);
      }
      text_.assign(text, length);
      return true;
    });
  }
  bool Null() { return scalar("null", [](Field field) { return field == Field::area; }); }
  bool Bool(bool) { return scalar("a boolean", [](Field) { return false; }); }
  // Numbers arrive as text; the parser's template needs these to compile.
  bool Int(int) { return true; }
  bool Uint(unsigned) { return true; }
  bool Int64(int64_t) { return true; }
  bool Uint64(uint64_t) { return true; }
  bool Double(double) { return true; }

  const std::string& message() const { return message_; }
  // Errors: DataError if a section did not occur.
  void require_sections() const {
    for (const Section section : {Section::images, Section::annotations, Section::categories}) {
      require<DataError>(seen_[static_cast<size_t>(section)],
                         "{}: no \"{}\" list, expected a COCO annotation file with images, "
                         "annotations and categories{}",
                         coco_.name, name_of(section), other_program());
    }
  }

 private:
  enum class Section { images, annotations, categories, other };
  enum class Field { none, id, file_name, name, image_id, category_id, area };
  static constexpr int kDeepest = 1000;
  static constexpr size_t kKeysKept = 16;

  static const char* name_of(Section section) {
    static constexpr std::array kNames = {"images", "annotations", "categories", "other"};
    return kNames[static_cast<size_t>(section)];
  }
  static const char* name_of(Field field) {
    static constexpr std::array kNames = {"",         "id",          "file_name", "name",
                                          "image_id", "category_id", "area"};
    return kNames[static_cast<size_t>(field)];
  }

  // What a file without COCO's lists may be.
  std::string other_program() const {
    const std::string_view program = other_json_program(
        [&](std::string_view key) { return std::ranges::count(top_keys_, key) > 0; });
    return program.empty() ? "; if this is no COCO data, set data.format"
                           : fmt::format("; this seems to be {}'s own format: export the labels as "
                                         "COCO, or set data.format if the labels are elsewhere",
                                         program);
  }

  bool error(const std::string& what) { return message_ = what, false; }

  Field field_named(std::string_view key) const {
    const bool image = section_ == Section::images, category = section_ == Section::categories;
    if (image || category) {
      return key == "id"                      ? Field::id
             : image && key == "file_name"    ? Field::file_name
             : category && key == "name"      ? Field::name
                                              : Field::none;
    }
    return key == "image_id"      ? Field::image_id
           : key == "category_id" ? Field::category_id
           : key == "area"        ? Field::area
                                  : Field::none;
  }

  bool open(bool array) {
    if (depth_ >= kDeepest) {
      return error(fmt::format("nested deeper than {} levels", kDeepest));
    }
    if (depth_ == 0 && array) {
      return error("the file holds an array, expected an object with images, annotations and "
                   "categories");
    }
    if (depth_ == 1 && section_ != Section::other) {
      if (!array) {
        return error(fmt::format("\"{}\" is an object, expected an array", name_of(section_)));
      }
      if (seen_[static_cast<size_t>(section_)]) {
        return error(fmt::format("a second \"{}\" list", name_of(section_)));
      }
      seen_[static_cast<size_t>(section_)] = true;
    }
    if (depth_ == 2 && section_ != Section::other) {
      if (array) {
        return error(fmt::format("{}[{}] is an array, expected an object", name_of(section_),
                                 index_));
      }
      found_ = {};
      size_row_ = 2;
    }
    if (depth_ == 3 && section_ != Section::other && field_ != Field::none) {
      return mistyped(array ? "an array" : "an object");
    }
    ++depth_;
    return true;
  }

  bool mistyped(const char* what) {
    const bool text = field_ == Field::file_name || field_ == Field::name;
    const bool area = field_ == Field::area;
    return error(fmt::format("{}[{}].{} is {}, expected {}", name_of(section_), index_,
                             name_of(field_), what,
                             text ? "a string" : area ? "a number" : "an integer or a string"));
  }

  // A value that is neither an object nor an array; take(field) stores it if its type is right.
  template <class Take>
  bool scalar(const char* what, Take&& take) {
    if (depth_ == 0) {
      return error(fmt::format("the file holds {}, expected an object with images, annotations "
                               "and categories", what));
    }
    if (depth_ == 1 && section_ != Section::other) {
      return error(fmt::format("\"{}\" is {}, expected an array", name_of(section_), what));
    }
    if (depth_ == 2 && section_ != Section::other) {
      return error(fmt::format("{}[{}] is {}, expected an object", name_of(section_), index_,
                               what));
    }
    if (depth_ == 3 && section_ != Section::other && field_ != Field::none) {
      if (!take(field_)) {
        return mistyped(what);
      }
      found_[static_cast<size_t>(field_)] = true;
      field_ = Field::none;
    }
    return true;
  }

  bool number(Field field, std::string_view text) {
    const char* end = text.data() + text.size();
    if (field == Field::area) {
      double area = 0;
      const bool known = std::from_chars(text.data(), end, area).ec == std::errc();
      size_row_ = !known || !(area < 96.0 * 96.0) ? 2 : area < 32.0 * 32.0 ? 0 : 1;  // NaN: 2
      return true;
    }
    if (field == Field::file_name || field == Field::name) {
      return false;
    }
    const std::optional<int64_t> id = CocoAnnotations::id_of_number(text);
    id_value(field) = id.value_or(0);
    return id.has_value();
  }

  int64_t& id_value(Field field) {
    return field == Field::id ? id_ : field == Field::image_id ? image_id_ : category_id_;
  }

  bool has(Field field) {
    return found_[static_cast<size_t>(field)] ||
           error(fmt::format("{}[{}] has no {}", name_of(section_), index_, name_of(field)));
  }

  bool finish_record() {
    if (section_ == Section::images) {
      if (!has(Field::id) || !has(Field::file_name)) {
        return false;
      }
      if (!image_ids_.insert(id_).second) {
        return error(fmt::format("images[{}]: id {} occurs twice", index_, coco_.id_text(id_)));
      }
      coco_.images.push_back({id_, text_});
    } else if (section_ == Section::annotations) {
      if (!has(Field::image_id) || !has(Field::category_id)) {
        return false;
      }
      coco_.annotations.push_back({image_id_, category_id_, size_row_});
    } else {
      if (!has(Field::id) || !has(Field::name)) {
        return false;
      }
      if (!category_ids_.insert(id_).second) {
        return error(fmt::format("categories[{}]: id {} occurs twice", index_, coco_.id_text(id_)));
      }
      coco_.categories.push_back({id_, text_});
    }
    ++index_;
    return true;
  }

  CocoAnnotations& coco_;
  std::string message_;
  std::vector<std::string> top_keys_;
  int depth_ = 0;
  Section section_ = Section::other;
  int64_t index_ = 0;  // of the current record in its section
  std::array<bool, 4> seen_{};
  Field field_ = Field::none;
  std::array<bool, 7> found_{};  // fields of this record
  int64_t id_ = 0, image_id_ = 0, category_id_ = 0;
  int8_t size_row_ = 2;
  std::string text_;
  std::unordered_set<int64_t> image_ids_, category_ids_;
};

// `skipped`: bytes before the stream's first one, for byte offsets in messages.
template <class Stream>
CocoAnnotations parse(Stream& stream, const std::string& name, size_t skipped) {
  CocoAnnotations coco;
  coco.name = name;
  CocoHandler handler(coco);
  rapidjson::Reader reader;
  // Iterative: hostile nesting must not exhaust the stack. Numbers as text: converting the
  // polygons' coordinates would be most of the work. NaN and Infinity are not JSON, but Python
  // writes them: fields that we ignore may hold them.
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                              rapidjson::kParseNumbersAsStringsFlag |
                              rapidjson::kParseNanAndInfFlag;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, handler);
  if (result.IsError()) {
    const bool ours = result.Code() == rapidjson::kParseErrorTermination;
    fail<DataError>("{}: byte {}: {}", name, result.Offset() + skipped,
                    ours ? handler.message() : rapidjson::GetParseError_En(result.Code()));
  }
  handler.require_sections();
  return coco;
}

}  // namespace

CocoAnnotations read_coco(const std::filesystem::path& path) {
  const std::string name = printable(path.native());
  std::error_code error;
  const bool odd = std::filesystem::exists(path, error) &&
                   !std::filesystem::is_regular_file(path, error);
  require<DataError>(!odd, "{}: not a regular file", name);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  require<DataError>(file != nullptr, "{}: cannot open: {}", name, std::strerror(errno));
  const std::string kind = other_file_kind_of(path.native());
  require<DataError>(kind.empty(), "{}: {}; expected COCO annotations (JSON)", name, kind);
  std::array<char, 1 << 16> buffer;
  const std::string_view start(buffer.data(), std::fread(buffer.data(), 1, 4, file.get()));
  const size_t mark = start.size() - without_mark(start, name).size();
  std::fseek(file.get(), static_cast<long>(mark), SEEK_SET);
  rapidjson::FileReadStream stream(file.get(), buffer.data(), buffer.size());
  CocoAnnotations coco = parse(stream, name, mark);
  require<DataError>(std::ferror(file.get()) == 0, "{}: cannot read: {}", name,
                     std::strerror(errno));
  return coco;
}

CocoAnnotations read_coco(std::span<const uint8_t> json, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(json.data()), json.size());
  const std::string_view rest = without_mark(text, name);
  rapidjson::MemoryStream stream(rest.data(), rest.size());
  return parse(stream, name, text.size() - rest.size());
}

}  // namespace mld
