#include "tests/parity/fixture.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/ranges.h>

#include "core/error.h"
#include "tests/measure.h"

namespace mld::parity {
namespace {

constexpr double kDefaultLimit = 1e-5;  // an entry without one gets the strictest for floats

bool is_integer(const std::string& dtype) {
  return dtype == "BOOL" || dtype[0] == 'I' || dtype[0] == 'U';
}

using test::kFloor;

// A limit may be a text ("png and ppm 0; jpeg ..."), which its kind parses.
double stated_limit(const Json& entry) {
  const Json& limit = member(entry, "limit");
  if (limit.IsString()) {
    return 0;
  }
  return number(entry, "limit", kDefaultLimit);
}

}  // namespace

Fixture::Fixture(std::filesystem::path dir, std::string name, const Json& entry)
    : dir_(std::move(dir)), name_(std::move(name)), entry_(entry), limit_(stated_limit(entry)) {
  if (name_.ends_with(".safetensors")) {
    file_ = std::make_unique<SafeTensorsFile>(dir_ / name_);
    unused_.insert(file_->names().begin(), file_->names().end());
  }
  if (parity::has(config(), "fill")) {
    fill_.emplace(dir_ / text(config(), "fill"),
                  static_cast<uint64_t>(integer(config(), "seed")));
  }
}

void Fixture::use(const std::string& key) {
  require<DataError>(file_ != nullptr, "{}: not a safetensors file", name_);
  file_->at(key);  // its message gives the nearest name
  unused_.erase(key);
}

bool Fixture::has(std::string_view key) const { return file_ && file_->contains(key); }

std::vector<std::string> Fixture::keys() const {
  return file_ ? file_->names() : std::vector<std::string>{};
}

std::vector<std::string> Fixture::cases(std::string_view prefix) const {
  std::vector<std::string> out;
  for (const std::string& key : keys()) {
    if (key.starts_with(prefix)) {
      const std::string rest = key.substr(prefix.size());
      const std::string head = rest.substr(0, rest.find('/'));
      if (std::find(out.begin(), out.end(), head) == out.end()) {
        out.push_back(head);
      }
    }
  }
  const auto is_number = [](const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (std::all_of(out.begin(), out.end(), is_number)) {
    std::sort(out.begin(), out.end(), [](const std::string& a, const std::string& b) {
      return a.size() != b.size() ? a.size() < b.size() : a < b;
    });
  }
  return out;
}

std::string Fixture::dtype(const std::string& key) const { return file_->at(key).dtype; }

Array Fixture::array(const std::string& key) {
  use(key);
  const SafeTensor& tensor = file_->at(key);
  return {tensor.shape, tensor.to_doubles()};
}

std::vector<uint8_t> Fixture::bytes(const std::string& key) {
  use(key);
  const SafeTensor& tensor = file_->at(key);
  require<DataError>(tensor.dtype == "U8", "{}: {} is {}, expected U8", name_, key, tensor.dtype);
  return {tensor.bytes.begin(), tensor.bytes.end()};
}

bool Fixture::has_input(const std::string& name) const {
  return has(name) || (fill_ && fill_->has(name)) || parity::has(config(), name.c_str());
}

Array Fixture::input(const std::string& name, const char* role) {
  if (has(name)) {
    return array(name);
  }
  require<DataError>(fill_.has_value(), "{}: {} is neither stored nor filled", name_, name);
  const Json& described = member(config(), role ? role : name.c_str());
  if (described.IsObject()) {
    const std::string filled = text(described, "name", name);
    if (fill_->has(filled)) {
      return fill_->make(filled);
    }
    return fill_array(fill_->seed(), filled, integers(described, "shape"),
                      number(described, "lo"), number(described, "hi"));
  }
  return fill_->make(described.IsString() ? described.GetString() : name);
}

void Fixture::fail_with(std::string message) { failures_.push_back(std::move(message)); }

void Fixture::record(const std::string& what, double error, double limit) {
  ++compared_;
  if (!(error <= worst_)) {
    worst_ = error;
  }
  if (!(error <= limit)) {
    fail_with(fmt::format("{}: error {:.3g}, limit {:.3g}", what, error, limit));
  }
}

void Fixture::expect(bool condition, std::string message) {
  if (!condition) {
    fail_with(std::move(message));
  }
}

double Fixture::limit_of(const std::string& key) const {
  if (compute_dtype() == DType::f32) {
    return limit_;
  }
  return key.find("grad") != std::string::npos ? kBf16GradientLimit : kBf16Limit;
}

void Fixture::compare(const std::string& key, const Array& ours) {
  const Array theirs = array(key);
  if (ours.shape != theirs.shape) {
    ++compared_;
    worst_ = std::numeric_limits<double>::infinity();
    fail_with(fmt::format("{}: shape [{}], expected [{}]", key, fmt::join(ours.shape, ", "),
                          fmt::join(theirs.shape, ", ")));
    return;
  }
  const bool exact = is_integer(file_->at(key).dtype);
  const double error = !exact && compute_dtype() == DType::bf16
                           ? test::distance(ours.values, theirs.values)
                           : test::largest_error(ours.values, theirs.values);
  const double limit = exact ? 0 : limit_of(key);
  record(key, error, limit);
  if (!(error <= limit)) {
    size_t where = 0;
    double largest = -1;  // stays NaN once it is NaN
    for (size_t i = 0; i < theirs.values.size() && !std::isnan(largest); ++i) {
      const double d = std::abs(ours.values[i] - theirs.values[i]);
      if (!(d <= largest)) {
        largest = d;
        where = i;
      }
    }
    failures_.back() += fmt::format(" (element {}: {:.9g}, expected {:.9g})", where,
                                    ours.values[where], theirs.values[where]);
  }
}

// |a - b| relative to this size; infinite where that is not a number.
static double error_of(double a, double b, double size) {
  const double error = std::abs(a - b) / std::max(size, kFloor);
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

void Fixture::compare_samples(const std::string& group, const std::string& name,
                              const Array& ours) {
  const Array idx = array(group + "idx/" + name), val = array(group + "val/" + name);
  const double size = std::max(1.0, std::sqrt(static_cast<double>(ours.numel())));
  double norm = 0;
  if (const std::string key = group + "norm/" + name; has(key)) {
    norm = array(key).values.at(0);
    const double l2 = std::sqrt(std::inner_product(ours.values.begin(), ours.values.end(),
                                                   ours.values.begin(), 0.0));
    record(key, error_of(l2, norm, norm), limit_of(key));
  }
  if (const std::string key = group + "sum/" + name; has(key)) {
    const double sum = std::accumulate(ours.values.begin(), ours.values.end(), 0.0);
    record(key, error_of(sum, array(key).values.at(0), norm * size), limit_of(key));
  }
  if (compute_dtype() == DType::bf16) {
    std::vector<double> sampled;
    for (const double at : idx.values) {
      sampled.push_back(ours.values.at(static_cast<size_t>(at)));
    }
    record(group + "val/" + name, test::distance(sampled, val.values), limit_of(group));
    return;
  }
  double worst = 0;
  for (size_t i = 0; i < idx.values.size(); ++i) {
    const auto at = static_cast<size_t>(idx.values[i]);
    require<DataError>(at < ours.values.size(), "{}idx/{}: index {} of {} elements", group,
                       name, at, ours.values.size());
    const double scale = std::max(std::abs(val.values.at(i)), norm / size);
    worst = std::max(worst, error_of(ours.values[at], val.values[i], scale));
  }
  record(group + "val/" + name, worst, limit_of(group));
}

void Fixture::ignore(const std::string& key, std::string_view reason) {
  require(!reason.empty(), "{}: nothing is left out without a reason", key);
  use(key);
}

void Fixture::finish() {
  if (compared_ == 0) {
    fail_with("nothing was compared");
  }
  if (!unused_.empty()) {
    fail_with(fmt::format("stored but not compared: {}", fmt::join(unused_, ", ")));
  }
  if (fill_ && !fill_->unused().empty()) {
    fail_with(fmt::format("filled but not used: {}", fmt::join(fill_->unused(), ", ")));
  }
}

}  // namespace mld::parity
