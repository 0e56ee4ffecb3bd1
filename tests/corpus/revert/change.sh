# git revert of the promotion, and nothing else.
git revert --no-edit ":/Promote good" >/dev/null
