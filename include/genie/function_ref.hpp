// A function that is lent for one call: what visits the entries of a directory, or the lines of a record, need not be
// compiled once for each visitor.
#ifndef GENIE_FUNCTION_REF_HPP
#define GENIE_FUNCTION_REF_HPP

#include "genie/concepts.hpp"

namespace genie::inline v0 {

template <typename Signature>
class FunctionRef;

/// Refers to any object that can be called so. Lives no longer than what it was made from.
template <typename Returned, typename... Arguments>
class FunctionRef<Returned(Arguments...)> {
 public:
  template <typename Function>
    requires(!detail::SameAs<Function, FunctionRef&> && !detail::SameAs<Function, const FunctionRef&>)
  FunctionRef(Function&& function) noexcept  // NOLINT(google-explicit-constructor)
      : function_{const_cast<void*>(static_cast<const void*>(&function))},
        call_{[](void* called, Arguments... arguments) noexcept -> Returned {
          return (*static_cast<decltype(&function)>(called))(arguments...);
        }} {}

  Returned operator()(Arguments... arguments) const noexcept { return call_(function_, arguments...); }

 private:
  void* function_;
  Returned (*call_)(void*, Arguments...) noexcept;
};

}  // namespace genie::inline v0

#endif  // GENIE_FUNCTION_REF_HPP
