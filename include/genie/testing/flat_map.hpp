// A hash map without nodes: what an exploration looks up for every step lies in one piece of memory.
#ifndef GENIE_TESTING_FLAT_MAP_HPP
#define GENIE_TESTING_FLAT_MAP_HPP

#include <cstddef>
#include <utility>
#include <vector>

namespace genie::inline v0::testing::detail {

/// Open addressing with linear probing, at most half full. Nothing can be erased but everything at once. `Hash` has to
/// spread keys over the low bits.
template <typename Key, typename Value, typename Hash>
class FlatMap {
 public:
  /// Returns: what is kept for the key, until the next `insert`; null if there is nothing.
  [[nodiscard]] Value* find(const Key& key) noexcept { return places_.empty() ? nullptr : kept(places_[place(key)]); }
  [[nodiscard]] const Value* find(const Key& key) const noexcept {
    return places_.empty() ? nullptr : kept(places_[place(key)]);
  }

  /// Effects: keeps the value, unless there is one for the key already. Returns: what is kept, until the next `insert`,
  /// and whether it is new.
  std::pair<Value*, bool> insert(const Key& key, const Value& value) {
    if ((size_ + 1) * 2 > places_.size()) grow();
    Place& found = places_[place(key)];
    if (found.is_taken) return {&found.value, false};
    found = {key, value, true};
    ++size_;
    return {&found.value, true};
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  void clear() {
    places_.clear();
    size_ = 0;
  }

 private:
  struct Place {
    Key key{};
    Value value{};
    bool is_taken = false;
  };

  [[nodiscard]] static Value* kept(Place& place) noexcept { return place.is_taken ? &place.value : nullptr; }
  [[nodiscard]] static const Value* kept(const Place& place) noexcept {
    return place.is_taken ? &place.value : nullptr;
  }
  /// That of the key, or the free one where it belongs.
  [[nodiscard]] std::size_t place(const Key& key) const noexcept {
    std::size_t at = Hash{}(key) & (places_.size() - 1);
    while (places_[at].is_taken && !(places_[at].key == key)) at = (at + 1) & (places_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<Place> before(places_.empty() ? 64 : places_.size() * 2);
    before.swap(places_);
    for (const Place& one : before) {
      if (one.is_taken) places_[place(one.key)] = one;
    }
  }

  std::vector<Place> places_;
  std::size_t size_ = 0;
};

}  // namespace genie::inline v0::testing::detail

#endif  // GENIE_TESTING_FLAT_MAP_HPP
