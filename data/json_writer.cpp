#include "data/json_writer.h"

#include <cmath>
#include <vector>

#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

#include "core/error.h"
#include "data/text.h"

namespace mld {

struct JsonWriter::Impl {
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer{buffer};
  Style style;
  std::vector<bool> objects;  // the open objects and arrays: true for an object

  explicit Impl(Style style_) : style(style_) {}
};

JsonWriter::JsonWriter(Style style) : impl_(std::make_unique<Impl>(style)) {
  impl_->writer.SetIndent(' ', style == Style::indented ? 2 : 0);
  impl_->writer.SetFormatOptions(rapidjson::kFormatSingleLineArray);
}
JsonWriter::~JsonWriter() = default;

JsonWriter& JsonWriter::object() {
  impl_->objects.push_back(true);
  impl_->writer.StartObject();
  return *this;
}

JsonWriter& JsonWriter::array() {
  impl_->objects.push_back(false);
  impl_->writer.StartArray();
  return *this;
}

JsonWriter& JsonWriter::end() {
  require(!impl_->objects.empty(), "json: an end without a beginning");
  impl_->objects.back() ? impl_->writer.EndObject() : impl_->writer.EndArray();
  impl_->objects.pop_back();
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) { return value(name); }

JsonWriter& JsonWriter::value(std::string_view text) { return raw(json_string(text)); }

JsonWriter& JsonWriter::value(double number) {
  std::isfinite(number) ? impl_->writer.Double(number) : impl_->writer.Null();
  return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
  impl_->writer.Bool(flag);
  return *this;
}

JsonWriter& JsonWriter::integer(int64_t number) {
  impl_->writer.Int64(number);
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  impl_->writer.RawValue(json.data(), json.size(), rapidjson::kStringType);
  return *this;
}

std::string JsonWriter::text() const {
  require(impl_->objects.empty(), "json: {} not ended", impl_->objects.size());
  std::string text(impl_->buffer.GetString(), impl_->buffer.GetSize());
  if (impl_->style == Style::indented) {
    return text;
  }
  // One line. Newlines occur only between members: json_string() escapes those in texts.
  std::string line;
  for (const char c : text) {
    if (c != '\n') {
      line += c;
    } else if (line.back() == ',') {
      line += ' ';
    }
  }
  return line;
}

double rounded(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  return std::round(value * scale) / scale;
}

}  // namespace mld
