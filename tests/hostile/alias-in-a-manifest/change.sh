# Some hundred bytes that stand for more than any memory holds, in a manifest of people's own.
mkdir -p environments/staging/platform/team
cd environments/staging/platform/team
cat > kustomization.yaml <<'YAML'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: staging-training
resources: [notes.yaml]
YAML
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\na: &a [x, x]\n' > notes.yaml
before=a
for name in b c d e f g h i j k l m n o p q r s t u v w x y z; do
  printf '%s: &%s [*%s, *%s]\n' $name $name $before $before >> notes.yaml
  before=$name
done
