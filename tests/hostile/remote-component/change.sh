# A component of another repository.
printf 'components:\n- ssh://git@example.com/team/base\n' >> base/data-job/kustomization.yaml
ml-pipeline render >/dev/null || true
