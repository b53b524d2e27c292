#include "data/formats/json.h"

#include "core/error.h"

namespace mld {

rapidjson::Document parse_json(std::string_view text, const std::string& name) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNanAndInfFlag>(text.data(),
                                                                                  text.size());
  require<DataError>(!document.HasParseError(), "{}: byte {}: not valid JSON: {}", name,
                     document.GetErrorOffset(),
                     rapidjson::GetParseError_En(document.GetParseError()));
  return document;
}

const char* json_kind(const rapidjson::Value& value) {
  static constexpr const char* kKinds[] = {"null", "false", "true", "an object", "a list", "a text",
                                           "a number"};
  return kKinds[value.GetType()];
}

}  // namespace mld
