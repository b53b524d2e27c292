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

// Whether a key matters for what a run computes.
enum class Effect {
  results,  // yes: it must agree on resume, and weight files record it
  length,   // yes, recorded too, but it may be raised on resume
  none,     // no: names, speed, safety
  place,    // no: a file or folder, relative to the config file it is given in
};

// What of a checkpoint a key belongs to: its metadata have a JSON object for each part.
enum class Part { none, model, preprocessing };

struct Key {
  // What files of older format versions mean that lack the key, where it is not the default.
  struct Earlier {
    int before;  // the first version whose files have the key
    GivenValue value;
  };

  std::string_view section, name;  // section "" is the top of the file
  Value (*get)(const Config&);
  void (*set)(Config&, const Value&);  // a value of the key's type, and one of its choices
  std::string_view meaning;
  std::vector<std::string_view> choices{};  // of a text; empty: any text
  bool colour = false;                      // a text, "" or "#rrggbb"
  // The range of a number, and of each of a pair.
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  Effect effect = Effect::results;
  Part part = Part::none;
  bool may_be_path = false;  // a text that may be an absolute path: weight files hold its last name
  std::vector<Earlier> earlier{};

  std::string full_name() const;  // "optim.lr", "seed"
};

// In the order of the file.
std::span<const Key> config_keys();
// The keys of a checkpoint's part: config keys, and what the data decides.
std::vector<Key> part_keys(Part part);
// The sections but the top, in the order of the file.
std::span<const std::string_view> config_sections();
// Null if there is no such key.
const Key* find_key(std::string_view section, std::string_view name);

// Stores the value in the config. Returns "" or what is wrong ("expected a number, got the text
// \"x\"") and then leaves the config as it was.
std::string assign(const Key& key, const GivenValue& given, Config& config);

}  // namespace mld
