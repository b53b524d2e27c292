// Names, shapes, order and roles of every model's state against the published checkpoints'.
#include <fstream>
#include <map>
#include <sstream>

#include <doctest/doctest.h>
#include <rapidjson/document.h>

#include "models/registry.h"
#include "optim/groups.h"
#include "reference.h"

namespace mld {
namespace {

rapidjson::Document read_json(const std::string& name) {
  std::ifstream file(reference::fixture(name));
  std::stringstream text;
  text << file.rdbuf();
  rapidjson::Document document;
  document.Parse(text.str().c_str());
  REQUIRE_FALSE(document.HasParseError());
  return document;
}

struct Entry {
  std::string name;
  std::vector<int64_t> shape;  // on disk
  std::string role;            // decay, no_decay, frozen, buffer

  bool operator==(const Entry&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Entry& entry) {
  return out << entry.name << " " << Shape(std::span(entry.shape)).str() << " " << entry.role;
}

std::vector<int64_t> shape_of(const rapidjson::Value& list) {
  std::vector<int64_t> shape;
  for (const auto& n : list.GetArray()) {
    shape.push_back(n.GetInt64());
  }
  return shape;
}

// A model's state in checkpoint order.
std::vector<Entry> entries(Module& model) {
  std::map<std::string, std::string> roles;
  for (const TrainedParameter& t : decay_groups(model, 1.0f)) {
    roles[t.name] = t.weight_decay > 0 ? "decay" : "no_decay";
  }
  struct Walk : Visitor {
    std::vector<Entry> entries;
    std::map<std::string, std::string>* roles = nullptr;
    void parameter(const std::string& name, Parameter& p) override {
      const Shape& s = p.shape;
      std::vector<int64_t> disk(s.dims().begin(), s.dims().end());
      if (p.layout == Parameter::Layout::conv) {
        disk = {s[0], s[3], s[1], s[2]};
      }
      entries.push_back({name, disk, roles->contains(name) ? roles->at(name) : "frozen"});
    }
    void buffer(const std::string& name, Buffer& b) override {
      entries.push_back({name, {b.shape.dims().begin(), b.shape.dims().end()}, "buffer"});
    }
  };
  Walk walk;
  walk.roles = &roles;
  walk.walk(model);
  return walk.entries;
}

// Names and shapes against those of a table that fills a reference's tensors.
void check_filled(const std::string& table, const ModelSpec& spec) {
  const rapidjson::Document fill = read_json(table);
  const auto model = make_model(spec);
  size_t found = 0;
  for (const Entry& entry : entries(*model)) {
    if (entry.name.ends_with("num_batches_tracked")) {
      continue;  // not filled
    }
    CAPTURE(entry);
    REQUIRE(fill.HasMember(entry.name.c_str()));
    CHECK_EQ(shape_of(fill[entry.name.c_str()]["shape"]), entry.shape);
    ++found;
  }
  const size_t inputs = fill.HasMember("x") ? 1 : 0;
  CHECK_EQ(found, fill.MemberCount() - inputs);
}

TEST_CASE("names: models have the published lists, in order, with their roles") {
  const rapidjson::Document lists = read_json("param_lists.json");
  const std::vector<std::pair<const char*, ModelSpec>> rows{
      {"resnet50_mld1000_g100",
       {.backbone = "resnet50", .head = "ml_decoder", .classes = 1000, .groups = 100}},
      {"tresnet_m_gap80", {.backbone = "tresnet_m", .head = "gap", .classes = 80}},
      {"tresnet_m_mld80", {.backbone = "tresnet_m", .head = "ml_decoder", .classes = 80}},
      {"tresnet_l_gap80", {.backbone = "tresnet_l", .head = "gap", .classes = 80}},
      {"tresnet_l_mld80", {.backbone = "tresnet_l", .head = "ml_decoder", .classes = 80}}};
  for (const auto& [name, spec] : rows) {
    CAPTURE(name);
    const auto model = make_model(spec);
    const auto& list = lists[name];
    std::vector<Entry> expected;
    for (const auto& entry : list["entries"].GetArray()) {
      expected.push_back({entry[0].GetString(), shape_of(entry[1]), entry[2].GetString()});
    }
    const std::vector<Entry> actual = entries(*model);
    REQUIRE_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      CHECK_EQ(actual[i], expected[i]);
    }
    CHECK_EQ(count_parameters(*model), list["parameters"].GetInt64());
  }
}

TEST_CASE("names: a GAP head and other depths have the published names and shapes") {
  check_filled("full_resnet34_gap100_160x192.fill.json",
               {.backbone = "resnet34", .head = "gap", .classes = 100});
}

TEST_CASE("names: EfficientNet-Lite's are timm's, with both heads") {
  check_filled("full_efficientnet_lite0_gap1000_224.fill.json",
               {.backbone = "efficientnet_lite0", .head = "gap", .classes = 1000});
  check_filled("full_efficientnet_lite0_mld20_97x130.fill.json",
               {.backbone = "efficientnet_lite0", .head = "ml_decoder", .classes = 20});
}

}  // namespace
}  // namespace mld
