// The fixtures' hash fill: tensors that are generated from (seed, name, index), not stored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/parity/array.h"
#include "tests/parity/json.h"

namespace mld::parity {

// u(0), u(1), ... in [0, 1) for one tensor: splitmix64 from FNV-1a-64 of "<seed>/<name>".
class HashStream {
 public:
  HashStream(uint64_t seed, std::string_view name);
  double uniform(uint64_t i) const;
  // float32(lo + (hi - lo) u(i)), computed in double, rounded to nearest.
  double value(uint64_t i, double lo, double hi) const;

 private:
  uint64_t key_;
};

Array fill_array(uint64_t seed, std::string_view name, const std::vector<int64_t>& shape, double lo,
                 double hi);

// The table <file>.fill.json: name -> shape, lo, hi.
class Fill {
 public:
  // Errors: DataError for a missing or malformed table.
  Fill(const std::filesystem::path& path, uint64_t seed);

  bool has(std::string_view name) const;
  Array make(const std::string& name);  // marks the name as used
  std::vector<std::string> names() const;
  const std::vector<int64_t>& shape(const std::string& name) const;
  const std::set<std::string, std::less<>>& unused() const { return unused_; }
  uint64_t seed() const { return seed_; }

 private:
  struct Row {
    std::vector<int64_t> shape;
    double lo, hi;
  };
  uint64_t seed_;
  std::map<std::string, Row, std::less<>> rows_;
  std::vector<std::string> names_;  // in the table's order
  std::set<std::string, std::less<>> unused_;
};

}  // namespace mld::parity
