#include "data/formats/json_labels.h"

#include <cmath>

#include "core/error.h"
#include "data/formats/csv_facts.h"
#include "data/text.h"

namespace mld {

using Json = rapidjson::Value;

std::string_view json_text(const Json& value) {
  return {value.GetString(), value.GetStringLength()};
}

std::optional<std::string> json_scalar(const Json& value) {
  constexpr double kExact = 1e15;
  if (value.IsString()) {
    return std::string(trimmed(json_text(value)));
  }
  if (value.IsUint64()) {
    return std::to_string(value.GetUint64());
  }
  if (value.IsInt64()) {
    return std::to_string(value.GetInt64());
  }
  if (value.IsDouble() && std::floor(value.GetDouble()) == value.GetDouble() &&
      std::abs(value.GetDouble()) < kExact) {
    return std::to_string(static_cast<int64_t>(value.GetDouble()));
  }
  return std::nullopt;
}

bool json_role(std::string_view key, CsvColumn role, bool sure) {
  const KnownName* known = known_name(plain_name(key));
  return known != nullptr && known->column == role && known->sure == sure;
}

std::string only_member(const std::vector<std::string>& found, std::string_view what,
                        const std::string& where) {
  require<DataError>(found.size() == 1, "{}: \"{}\" and \"{}\" may both be {}; leave one of them "
                     "out", where, printable(found[0]), printable(found.back()), what);
  return found[0];
}

// "" if the object has no such member.
static std::string labels_member(const Json& object, std::string_view path_key,
                                 const std::string& where) {
  for (const bool sure : {true, false}) {
    for (const bool numbers : {false, true}) {  // "label_name": "cat" beside "label": 3
      const auto found = json_members(object, [&](std::string_view key, const Json& value) {
        return key != path_key && json_role(key, CsvColumn::labels, sure) &&
               (numbers || !value.IsNumber());
      });
      if (!found.empty()) {
        return only_member(found, "the labels", where);
      }
    }
  }
  return object.HasMember("objects") ? "objects" : "";
}

JsonLabels JsonLabelReader::read(const Json& object, std::string_view path_key,
                                 const std::string& where) {
  JsonLabels labels;
  if (key_.empty()) {
    key_ = labels_member(object, path_key, where);
  }
  const auto member = object.FindMember(key_.c_str());
  if (member == object.MemberEnd()) {
    return labels;
  }
  const Json& value = member->value;
  if (key_ == "objects" && value.IsObject()) {  // Hugging Face's boxes
    for (const char* name : {"categories", "category", "labels", "label"}) {
      if (value.HasMember(name)) {
        add_value(value[name], where, labels);
        return labels;
      }
    }
    fail<DataError>("{}: \"objects\" has no \"categories\"", where);
  }
  if (value.IsObject()) {
    add_indicators(value, where, labels);
  } else {
    add_value(value, where, labels);
  }
  return labels;
}

void JsonLabelReader::add_value(const Json& value, const std::string& where, JsonLabels& labels) {
  if (value.IsNull()) {
    return;
  }
  if (!value.IsArray()) {
    if (value.IsString() && json_text(value).find(',') != std::string_view::npos &&
        example_.empty()) {
      example_ = json_text(value);
    }
    add_label(value, where, labels);
    return;
  }
  for (const Json& one : value.GetArray()) {
    add_label(one, where, labels);
  }
}

void JsonLabelReader::add_label(const Json& value, const std::string& where,
                                JsonLabels& labels) const {
  std::optional<std::string> label = json_scalar(value);
  require<DataError>(label.has_value(), "{}: \"{}\" holds {}, expected a label or a list of labels",
                     where, printable(key_), json_kind(value));
  if (!label->empty()) {
    labels.present.push_back(std::move(*label));
  }
}

// {"cat": 1, "dog": 0, "cow": null}
void JsonLabelReader::add_indicators(const Json& object, const std::string& where,
                                     JsonLabels& labels) const {
  for (const auto& [key, value] : object.GetObject()) {
    const bool yes = value.IsTrue() || (value.IsNumber() && value.GetDouble() == 1);
    const bool no = value.IsFalse() || (value.IsNumber() && value.GetDouble() == 0);
    require<DataError>(yes || no || value.IsNull(), "{}: \"{}\" of \"{}\" is {}, expected 1, 0 or "
                       "null (unknown)", where, printable(json_text(key)), printable(key_),
                       json_kind(value));
    auto& list = yes ? labels.present : no ? labels.absent : labels.unknown;
    list.emplace_back(trimmed(json_text(key)));
  }
}

}  // namespace mld
