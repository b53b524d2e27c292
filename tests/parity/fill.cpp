#include "tests/parity/fill.h"

#include <numeric>

#include "core/error.h"

namespace mld::parity {

HashStream::HashStream(uint64_t seed, std::string_view name) : key_(0xcbf29ce484222325u) {
  const std::string text = std::to_string(seed) + "/" + std::string(name);
  for (const char c : text) {
    key_ = (key_ ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  }
}

double HashStream::uniform(uint64_t i) const {
  uint64_t z = key_ + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

double HashStream::value(uint64_t i, double lo, double hi) const {
  return static_cast<float>(lo + (hi - lo) * uniform(i));
}

Array fill_array(uint64_t seed, std::string_view name, const std::vector<int64_t>& shape, double lo,
                 double hi) {
  const HashStream stream(seed, name);
  const int64_t numel =
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  Array out{shape, std::vector<double>(static_cast<size_t>(numel))};
  for (size_t i = 0; i < out.values.size(); ++i) {
    out.values[i] = stream.value(i, lo, hi);
  }
  return out;
}

Fill::Fill(const std::filesystem::path& path, uint64_t seed) : seed_(seed) {
  const rapidjson::Document table = read_json(path);
  require<DataError>(table.IsObject(), "{}: not an object of tensors", path.string());
  for (const auto& [name, row] : table.GetObject()) {
    names_.emplace_back(name.GetString(), name.GetStringLength());
    unused_.insert(names_.back());
    rows_[names_.back()] = {integers(row, "shape"), number(row, "lo"), number(row, "hi")};
  }
}

bool Fill::has(std::string_view name) const { return rows_.contains(name); }

std::vector<std::string> Fill::names() const { return names_; }

const std::vector<int64_t>& Fill::shape(const std::string& name) const {
  const auto row = rows_.find(name);
  require<DataError>(row != rows_.end(), "the fill table has no \"{}\"", name);
  return row->second.shape;
}

Array Fill::make(const std::string& name) {
  const auto row = rows_.find(name);
  require<DataError>(row != rows_.end(), "the fill table has no \"{}\"", name);
  unused_.erase(name);
  return fill_array(seed_, name, row->second.shape, row->second.lo, row->second.hi);
}

}  // namespace mld::parity
