# Twenty levels of two folders, each of which names both of the level below: a million objects.
cd environments/staging/platform
mkdir -p team
cd team
kustomization() { printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: staging-training\nnamePrefix: %s\nresources: [%s]\n' "$2" "$3" > "$1/kustomization.yaml"; }
for side in p q; do
  mkdir ${side}0
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n' > ${side}0/x.yaml
  kustomization ${side}0 $side x.yaml
done
for level in $(seq 1 20); do
  for side in p q; do
    mkdir $side$level
    kustomization $side$level $side "../p$((level - 1)), ../q$((level - 1))"
  done
done
printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [p20]\n' > kustomization.yaml
