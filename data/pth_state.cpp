#include "data/pth_state.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <set>

#include "core/error.h"
#include "data/safetensors_header.h"

namespace mld {
namespace {

using pickle::Id;
using pickle::Kind;
using pickle::Pickle;
using pickle::Value;

// Keys that programs use for an average of the weights: timm, DeiT, and what follows them.
constexpr std::array<std::string_view, 6> kAverages{
    "state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema", "params_ema"};
// Keys of the weights themselves: torchvision's references, timm, Lightning, the authors'.
constexpr std::array<std::string_view, 6> kStates{
    "state_dict", "model_state_dict", "model_state", "model", "params", "net"};

template <size_t n>
bool contains(const std::array<std::string_view, n>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

enum class Rank { average, state, other, optimizer };  // the first is preferred

struct Candidate {
  Id dict = 0;
  std::string entry;
  Rank rank = Rank::state;
  size_t tensors = 0;
};

// Of an entry below one with rank `parent`.
Rank rank_of(Rank parent, std::string_view key) {
  if (parent == Rank::optimizer || key.starts_with("optim")) {
    return Rank::optimizer;
  }
  if (parent == Rank::average || contains(kAverages, key)) {
    return Rank::average;
  }
  return contains(kStates, key) ? Rank::state : Rank::other;
}

// Every dict that other dicts lead to, once each, the outer ones first.
std::vector<Candidate> dicts_of(const Pickle& pickle) {
  constexpr size_t kLongest = 200;  // of an entry's name
  std::vector<Candidate> found;
  std::set<Id> seen{pickle.root};
  std::deque<Candidate> open;
  if (pickle.result().kind == Kind::dict) {
    open.push_back({.dict = pickle.root, .entry = ""});
  }
  for (; !open.empty(); open.pop_front()) {
    Candidate here = open.front();
    const Value& dict = pickle[here.dict];
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Value &key = pickle[dict.items[i]], &value = pickle[dict.items[i + 1]];
      here.tensors += key.kind == Kind::text && value.kind == Kind::tensor;
      if (value.kind == Kind::dict && seen.insert(dict.items[i + 1]).second) {
        const std::string word(key.kind == Kind::text ? key.text.substr(0, kLongest) : "");
        std::string entry = here.entry.substr(0, kLongest) + (here.entry.empty() ? "" : ".") + word;
        open.push_back({dict.items[i + 1], std::move(entry), rank_of(here.rank, word)});
      }
    }
    found.push_back(std::move(here));
  }
  return found;
}

// The best rank with at least half as many tensors as the largest dict that is no optimiser's: a
// dict called "ema" may also hold two counters. Of equals the one with more tensors.
const Candidate* best_of(const std::vector<Candidate>& dicts) {
  size_t most = 0;
  for (const Candidate& dict : dicts) {
    most = dict.rank == Rank::optimizer ? most : std::max(most, dict.tensors);
  }
  const Candidate* best = nullptr;
  for (const Candidate& dict : dicts) {
    if (dict.rank == Rank::optimizer || dict.tensors == 0 || 2 * dict.tensors < most) {
      continue;
    }
    if (best == nullptr || dict.rank < best->rank ||
        (dict.rank == best->rank && dict.tensors > best->tensors)) {
      best = &dict;
    }
  }
  return best;
}

// {0: name, 1: name, ...} in any order -> the names; empty if it is anything else.
std::vector<std::string> names_of(const Pickle& pickle, const Value& dict) {
  std::map<int64_t, std::string_view> names;
  for (size_t i = 0; dict.kind == Kind::dict && i + 1 < dict.items.size(); i += 2) {
    const Value &key = pickle[dict.items[i]], &value = pickle[dict.items[i + 1]];
    if (key.kind != Kind::integer || value.kind != Kind::text) {
      return {};
    }
    names[key.integer] = value.text;
  }
  constexpr size_t kMostBytes = 16 << 20;  // a name may occur any number of times
  std::vector<std::string> list;
  size_t bytes = 0;
  for (const auto& [index, name] : names) {
    bytes += name.size();
    if (index != static_cast<int64_t>(list.size()) || bytes > kMostBytes) {
      return {};
    }
    list.emplace_back(name);
  }
  return list;
}

std::vector<std::string> class_names(const Pickle& pickle) {
  const Value& root = pickle.result();
  for (size_t i = 0; root.kind == Kind::dict && i + 1 < root.items.size(); i += 2) {
    if (pickle[root.items[i]].text == "idx_to_class") {
      return names_of(pickle, pickle[root.items[i + 1]]);
    }
  }
  return {};
}

}  // namespace

PthState find_state(const Pickle& pickle, const std::string& file) {
  const std::vector<Candidate> dicts = dicts_of(pickle);
  const Candidate* best = best_of(dicts);
  require<DataError>(best != nullptr, "{}: holds no dict of named tensors; save the model's state, "
                     "as by torch.save(model.state_dict(), ...)", file);
  PthState state{.entry = best->entry, .tensors = {}, .class_names = class_names(pickle)};
  std::set<std::string_view> seen;
  const Value& dict = pickle[best->dict];
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& key = pickle[dict.items[i]];
    if (key.kind == Kind::text && pickle[dict.items[i + 1]].kind == Kind::tensor) {
      require<DataError>(seen.insert(key.text).second, "{}: tensor {} occurs twice", file,
                         quoted_name(key.text));
      state.tensors.emplace_back(key.text, dict.items[i + 1]);
    }
  }
  return state;
}

}  // namespace mld
