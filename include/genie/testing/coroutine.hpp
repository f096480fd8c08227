// Code that stops in the middle and goes on later, so that several programs can take turns on one thread.
//
// A stack of its own, switched by `makecontext(3)`; AddressSanitizer is told of each switch. ThreadSanitizer cannot
// follow stacks, macOS has given up `makecontext`, and musl and Android never had it: there, each coroutine is a
// thread, and a baton lets one of them run at a time.
#ifndef GENIE_TESTING_COROUTINE_HPP
#define GENIE_TESTING_COROUTINE_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#if defined(__SANITIZE_THREAD__) || defined(__APPLE__) || (defined(__linux__) && !defined(__GLIBC__))
#define GENIE_TESTING_COROUTINE_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GENIE_TESTING_COROUTINE_THREADS 1
#endif
#endif
#if !defined(GENIE_TESTING_COROUTINE_THREADS)
#define GENIE_TESTING_COROUTINE_THREADS 0
#endif
#if defined(__SANITIZE_ADDRESS__)
#define GENIE_TESTING_COROUTINE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GENIE_TESTING_COROUTINE_ASAN 1
#endif
#endif
#if !defined(GENIE_TESTING_COROUTINE_ASAN)
#define GENIE_TESTING_COROUTINE_ASAN 0
#endif

#if GENIE_TESTING_COROUTINE_THREADS
#include <condition_variable>
#include <mutex>
#include <thread>
#else
#include <ucontext.h>
#endif
#if GENIE_TESTING_COROUTINE_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace genie::inline v0::testing::detail {

#if GENIE_TESTING_COROUTINE_THREADS

/// Runs `body` up to its next `suspend` at each `resume`. Must have come to its end before it is destroyed.
class Coroutine {
 public:
  explicit Coroutine(std::function<void()> body) : body_{std::move(body)}, thread_{[this] { run(); }} {}
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;
  ~Coroutine() { thread_.join(); }

  void resume() {
    std::unique_lock lock{mutex_};
    its_turn_ = true;
    turned_.notify_all();
    turned_.wait(lock, [this] { return !its_turn_; });
  }
  /// Called by the body: gives the turn back until the next `resume`.
  void suspend() {
    std::unique_lock lock{mutex_};
    its_turn_ = false;
    turned_.notify_all();
    turned_.wait(lock, [this] { return its_turn_; });
  }
  [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }

 private:
  void run() {
    {
      std::unique_lock lock{mutex_};
      turned_.wait(lock, [this] { return its_turn_; });
    }
    body_();
    const std::scoped_lock lock{mutex_};
    has_ended_ = true;
    its_turn_ = false;
    turned_.notify_all();
  }

  std::function<void()> body_;
  std::mutex mutex_;
  std::condition_variable turned_;
  bool its_turn_ = false;
  bool has_ended_ = false;
  std::thread thread_;
};

#else

/// Runs `body` up to its next `suspend` at each `resume`. Must have come to its end before it is destroyed.
class Coroutine {
 public:
  explicit Coroutine(std::function<void()> body) : body_{std::move(body)}, stack_{new std::byte[stack_size]} {
    getcontext(inside_.get());
    inside_->uc_stack.ss_sp = stack_.get();
    inside_->uc_stack.ss_size = stack_size;
    inside_->uc_link = nullptr;
    // makecontext passes integers only.
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    makecontext(inside_.get(), reinterpret_cast<void (*)()>(&enter), 2, static_cast<unsigned>(self >> 16U >> 16U),
                static_cast<unsigned>(self));
  }
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;

  void resume() {
#if GENIE_TESTING_COROUTINE_ASAN
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, stack_.get(), stack_size);
#endif
    swapcontext(outside_.get(), inside_.get());
#if GENIE_TESTING_COROUTINE_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  }
  /// Called by the body: gives the turn back until the next `resume`.
  void suspend() { switch_out(false); }
  [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }

 private:
  static constexpr std::size_t stack_size = std::size_t{1} << 20U;

  static void enter(unsigned high, unsigned low) {
    const std::uintptr_t address = (std::uintptr_t{high} << 16U << 16U) | low;
    auto* const self = reinterpret_cast<Coroutine*>(address);  // NOLINT(performance-no-int-to-ptr): as said above
#if GENIE_TESTING_COROUTINE_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &self->outside_stack_, &self->outside_size_);
#endif
    self->body_();
    self->has_ended_ = true;
    self->switch_out(true);
  }
  void switch_out([[maybe_unused]] bool for_ever) {
#if GENIE_TESTING_COROUTINE_ASAN
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(for_ever ? nullptr : &fake_stack, outside_stack_, outside_size_);
#endif
    swapcontext(inside_.get(), outside_.get());
#if GENIE_TESTING_COROUTINE_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, &outside_stack_, &outside_size_);
#endif
  }

  std::function<void()> body_;
  std::unique_ptr<std::byte[]> stack_;
  // No members themselves: on RISC-V they end with an array of no size.
  std::unique_ptr<ucontext_t> inside_ = std::make_unique<ucontext_t>();
  std::unique_ptr<ucontext_t> outside_ = std::make_unique<ucontext_t>();
#if GENIE_TESTING_COROUTINE_ASAN
  const void* outside_stack_ = nullptr;
  std::size_t outside_size_ = 0;
#endif
  bool has_ended_ = false;
};

#endif

}  // namespace genie::inline v0::testing::detail

#endif  // GENIE_TESTING_COROUTINE_HPP
