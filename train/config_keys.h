// The table of config keys: parsing, printing, help and checkpoints share it. A key is one row.
#pragma once

#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/config.h"
#include "train/config_value.h"

namespace mld {

// How a key affects a run.
enum class Effect {
  results,  // changes its results: must agree on resume, recorded in weight files
  length,   // the same, but it may be raised on resume
  none,     // does not change its results: names, speed, safety
  place,    // the same: a file or folder, relative to the config file that names it
};

// The part of a checkpoint's metadata, a JSON object, that a key belongs to.
enum class Part { none, model, preprocessing };

struct Key {
  // The key's value in files of older format versions that lack it, if it is not the default.
  struct Earlier {
    int before;  // the first version whose files have the key
    GivenValue value;
  };

  std::string_view section, name;  // section "" is the top of the file
  Value (*get)(const Config&);
  void (*set)(Config&, const Value&);  // the value must have the key's type and be a valid choice
  std::string_view meaning;
  std::vector<std::string_view> choices{};  // for text; empty: any text
  bool colour = false;                      // text, "" or "#rrggbb"
  // The range of a number, or of each number of a pair.
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  Effect effect = Effect::results;
  Part part = Part::none;
  bool may_be_path = false;  // a text that may be an absolute path: weight files hold its last name
  std::vector<Earlier> earlier{};  // oldest first

  std::string full_name() const;  // "optim.lr", "seed"
};

// In the order of the file.
std::span<const Key> config_keys();
// The keys of a checkpoint's part: config keys, and keys that the data determines.
std::vector<Key> part_keys(Part part);
// The sections, except the top of the file, in the order of the file.
std::span<const std::string_view> config_sections();
// Null if there is no such key.
const Key* find_key(std::string_view section, std::string_view name);

// Stores the value in the config and returns "". If the value is wrong, leaves the config as it was
// and returns why ("expected a number, got the text \"x\"").
std::string assign(const Key& key, const GivenValue& given, Config& config);

}  // namespace mld
