#include "app/report/kept_evaluation.h"

#include <cmath>
#include <set>

#include "app/report/json_members.h"
#include "core/error.h"
#include "data/file.h"
#include "data/text.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

int64_t count_in(const rapidjson::Value& object, const char* name) {
  const double value = number_in(object, name).value_or(0);
  return value >= 0 && value < 9e15 ? static_cast<int64_t>(value) : 0;
}

KeptEvaluation::PerClass class_of(const rapidjson::Value& object, const std::string& file) {
  require<DataError>(object.IsObject() && object.HasMember("name") && object["name"].IsString(),
                     "{}: per_class: a class without a name", file);
  const std::optional<double> threshold = number_in(object, "threshold");
  const auto decided = [&](const char* at_half, const char* fitted) {
    return number_in(object, threshold ? fitted : at_half).value_or(NAN);
  };
  KeptEvaluation::PerClass one{.name = {object["name"].GetString(),
                                        object["name"].GetStringLength()},
                               .positives = count_in(object, "positives"),
                               .ap = {},
                               .precision = decided("precision", "precision_fitted"),
                               .recall = decided("recall", "recall_fitted"),
                               .f1 = decided("f1", "f1_fitted"),
                               .threshold = threshold};
  if (one.positives > 0) {
    one.ap = number_in(object, "ap");
  }
  const auto seen = object.FindMember("seen");
  one.seen = seen == object.MemberEnd() || !seen->value.IsBool() || seen->value.GetBool();
  return one;
}

}  // namespace

std::optional<double> KeptEvaluation::metric(std::string_view name) const {
  for (const auto& [key, value] : metrics) {
    if (key == name) {
      return value;
    }
  }
  return std::nullopt;
}

std::optional<KeptEvaluation> read_kept_evaluation(const RunFolder& folder) {
  constexpr int64_t kMostBytes = int64_t{256} << 20;
  static const std::set<std::string> not_metrics = {"samples", "skipped", "step",
                                                    "classes_without_positives"};
  const fs::path path = folder.metrics();
  if (!fs::exists(path)) {
    return std::nullopt;
  }
  const std::string text = read_text_file(path, kMostBytes), file = printable(path.native());
  rapidjson::Document json;
  json.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  require<DataError>(!json.HasParseError() && json.IsObject(),
                     "{}: not a JSON object; mlinfer eval measures again", file);
  KeptEvaluation result{.samples = count_in(json, "samples"), .skipped = count_in(json, "skipped"),
                        .metrics = {}, .classes = {}};
  if (number_in(json, "step")) {
    result.weights = {count_in(json, "step"), text_in(json, "weights").value_or("")};
  }
  for (const auto& member : json.GetObject()) {
    const std::string name(member.name.GetString(), member.name.GetStringLength());
    if (member.value.IsNumber() && !not_metrics.contains(name)) {
      result.metrics.emplace_back(name, member.value.GetDouble());
    }
  }
  if (const auto classes = json.FindMember("per_class");
      classes != json.MemberEnd() && classes->value.IsArray()) {
    for (const rapidjson::Value& one : classes->value.GetArray()) {
      result.classes.push_back(class_of(one, file));
    }
  }
  return result;
}

}  // namespace mld
