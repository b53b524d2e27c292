// Kernel calls on meta, summed by owner.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "core/meta/meter.h"

namespace mld::meta {

// A line of a ledger: a layer, a stage or the total.
struct Line {
  std::string name;
  Shape out;               // of the last call
  int64_t parameters = 0;  // elements owned
  int64_t macs = 0;        // see Call
  size_t activations = 0;  // bytes computed
};

// A call belongs to the owner of its first input that has one; a call without such an input gets a
// line of its own under the kernel's name: "max_pool".
class Ledger {
 public:
  // `parameters`: how many of its elements count as the owner's.
  void own(const Tensor& x, const std::string& owner, int64_t parameters);
  void add(const Call& call);

  std::vector<Line> lines;  // in the order of the first call

 private:
  Line& line_of(const Call& call);

  std::unordered_map<const Storage*, std::string> owners_;
  std::unordered_map<std::string, int64_t> parameters_;
  std::unordered_map<std::string, size_t> places_;  // index of an owner's line
};

// Lines [begin, end) summed into one.
Line total(const std::vector<Line>& lines, size_t begin, std::string_view name, const Shape& out);

}  // namespace mld::meta
