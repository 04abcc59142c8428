// Invented names in many scripts, with a greeting and places in each; what they spell in ASCII makes the address.

export interface Culture {
  readonly greeting: string
  readonly cities: readonly string[]
  /** `name=ascii` pairs. */
  readonly given: readonly string[]
  readonly family: readonly string[]
  /** How the two are put together; given name first unless set. */
  readonly familyFirst?: '' | ' '
}

const words = (text: string) => text.split(' ')

export const cultures: readonly Culture[] = [
  {
    greeting: 'Dear',
    cities: ['Bristol', 'Leith', 'Galway', 'Portland, Maine', 'Cork, "the harbour"'],
    given: words('Maeve=maeve Orla=orla Edith=edith Rowan=rowan Hugh=hugh Iris=iris Wren=wren Colm=colm'),
    family: words(
      "O’Malley=omalley Ashdown=ashdown Fairweather=fairweather O'Hara=ohara Penrose=penrose Thorne=thorne Quill=quill",
    ),
  },
  {
    greeting: 'Chère, cher',
    cities: ['Besançon', 'Nîmes', 'Orléans', 'Québec'],
    given: words('Zoé=zoe Éloïse=eloise Benoît=benoit Noëlle=noelle Maël=mael Anaïs=anais Loïc=loic'),
    family: words(
      'Lefèvre=lefevre Châtelain=chatelain D’Aubigné=daubigne Garçon=garcon Prévôt=prevot Hélias=helias Dubœuf=duboeuf',
    ),
  },
  {
    greeting: 'Guten Tag',
    cities: ['München', 'Köln', 'Zürich', 'Görlitz'],
    given: words(
      'Jürgen=juergen Käthe=kaethe Björn=bjoern Sönke=soenke Lotte=lotte Rüdiger=ruediger Änne=aenne',
    ),
    family: words(
      'Weißmüller=weissmueller Großkopf=grosskopf Lübke=luebke Schäfer=schaefer Vogelsang=vogelsang Brückner=brueckner',
    ),
  },
  {
    greeting: 'Hola',
    cities: ['A Coruña', 'Cádiz', 'Bogotá', 'Córdoba'],
    given: words(
      'Íñigo=inigo Begoña=begona Ramón=ramon Inés=ines Nuño=nuno Concepción=concepcion Tomás=tomas',
    ),
    family: words(
      'Peñalba=penalba Ordóñez=ordonez Muñoz=munoz Ibáñez=ibanez Cañizares=canizares Güell=guell',
    ),
  },
  {
    greeting: 'Cześć',
    cities: ['Łódź', 'Kraków', 'Gdańsk'],
    given: words('Żaneta=zaneta Łucja=lucja Grażyna=grazyna Wiesław=wieslaw Ścibor=scibor Małgosia=malgosia'),
    family: words('Wójcikowski=wojcikowski Błędowska=bledowska Źrebiec=zrebiec Kłos=klos Gąsior=gasior'),
  },
  {
    greeting: 'Hej',
    cities: ['Malmö', 'Tromsø', 'Århus', 'Ísafjörður'],
    given: words('Åse=aase Øystein=oystein Sigríður=sigridur Þórdís=thordis Göran=goran Ægir=aegir'),
    family: words('Sjögren=sjogren Bjørnstad=bjornstad Ødegård=odegard Guðnadóttir=gudnadottir Ålund=alund'),
  },
  {
    greeting: 'Merhaba',
    cities: ['İzmir', 'Muğla', 'Çanakkale'],
    given: words('Işıl=isil Çağla=cagla Ömür=omur Şebnem=sebnem Yiğit=yigit Gökçe=gokce'),
    family: words('Yıldızoğlu=yildizoglu Gümüşsoy=gumussoy Çınar=cinar Öztürkmen=ozturkmen Işıkdağ=isikdag'),
  },
  {
    greeting: 'Chào',
    cities: ['Đà Nẵng', 'Huế', 'Cần Thơ'],
    given: words('Hằng=hang Đức=duc Ngọc=ngoc Thủy=thuy Quyên=quyen Hiếu=hieu'),
    family: words('Nguyễn=nguyen Phạm=pham Đỗ=do Vũ=vu Trịnh=trinh'),
    familyFirst: ' ',
  },
  {
    greeting: 'Γεια σας',
    cities: ['Θεσσαλονίκη', 'Πάτρα', 'Χανιά'],
    given: words('Ελπίδα=elpida Θάνος=thanos Καλλιόπη=kalliopi Ορέστης=orestis Ξένια=xenia Φοίβος=foivos'),
    family: words('Γαλανός=galanos Αυγερινού=avgerinou Ψαράς=psaras Ζαχαριάδη=zachariadi Λιβανός=livanos'),
  },
  {
    greeting: 'Здравствуйте',
    cities: ['Вологда', 'Казань', 'Томск'],
    given: words('Ярослава=yaroslava Пётр=pyotr Любовь=lyubov Юлий=yuliy Евдокия=evdokiya Фёдор=fyodor'),
    family: words('Журавлёв=zhuravlyov Щукин=shchukin Ясенев=yasenev Морозко=morozko Чайкин=chaykin'),
  },
  {
    greeting: 'Вітаю',
    cities: ['Львів', 'Чернівці'],
    given: words('Їлена=yilena Соломія=solomiya Юрко=yurko Зоряна=zoryana Андрій=andriy'),
    family: words('Ґудзь=gudz Берегиня=berehynia Калиненко=kalynenko Ївженко=yivzhenko'),
  },
  {
    greeting: 'გამარჯობა',
    cities: ['ქუთაისი', 'ბათუმი'],
    given: words('ნინო=nino გიორგი=giorgi თამარ=tamar ლაშა=lasha ქეთევან=ketevan'),
    family: words('მთაწმინდელი=mtatsmindeli წყაროშვილი=tsqaroshvili ვარდოსანიძე=vardosanidze'),
  },
  {
    greeting: '您好',
    cities: ['杭州', '苏州', '臺南'],
    given: words('雨桐=yutong 思远=siyuan 静怡=jingyi 子墨=zimo 曉梅=xiaomei 浩然=haoran'),
    family: words('欧阳=ouyang 林=lin 沈=shen 梁=liang 蕭=xiao 顾=gu'),
    familyFirst: '',
  },
  {
    greeting: 'こんにちは',
    cities: ['金沢', '長崎', '那覇'],
    given: words('さくら=sakura 健一=kenichi ひかり=hikari 蓮=ren みのり=minori 葵=aoi'),
    family: words('小鳥遊=takanashi 森下=morishita 髙橋=takahashi 渡邊=watanabe 花岡=hanaoka'),
    familyFirst: ' ',
  },
  {
    greeting: '안녕하세요',
    cities: ['전주', '강릉', '부산'],
    given: words('하늘=haneul 지우=jiwoo 은별=eunbyeol 도윤=doyun 서연=seoyeon 바다=bada'),
    family: words('남궁=namgung 한=han 황보=hwangbo 윤=yun 제갈=jegal'),
    familyFirst: '',
  },
  {
    greeting: 'مرحباً',
    cities: ['مراكش', 'عمّان', 'الإسكندرية'],
    given: words('ياسمين=yasmin كريم=karim نور=nour سلمى=salma طارق=tariq ليلى=layla'),
    family: words('البستاني=albustani الزهراوي=alzahrawi النخلاوي=alnakhlawi الياسري=alyasiri'),
  },
  {
    greeting: 'سلام',
    cities: ['شیراز', 'اصفهان'],
    given: words('پریسا=parisa گلنار=golnar ژاله=jaleh آرش=arash کیوان=keyvan'),
    family: words('چمنی=chamani گلستانی=golestani پژمان=pezhman باغبان=baghban'),
  },
  {
    greeting: 'שלום',
    cities: ['חיפה', 'באר שבע'],
    given: words('נועה=noa איתמר=itamar שירה=shira גיל=gil תמר=tamar יואב=yoav'),
    family: words('אלון=alon הדסי=hadasi שקד=shaked רימון=rimon ברקת=bareket'),
  },
  {
    greeting: 'नमस्ते',
    cities: ['जयपुर', 'पुणे', 'देहरादून'],
    given: words('आरव=aarav मीरा=meera ईशान=ishaan तारा=tara विहान=vihaan लक्ष्मी=lakshmi'),
    family: words('चन्दनवाला=chandanwala कमलेश्वर=kamaleshwar गुलाटी=gulati वनवासी=vanvasi'),
  },
  {
    greeting: 'வணக்கம்',
    cities: ['மதுரை', 'கோயம்புத்தூர்'],
    given: words('மலர்=malar இளங்கோ=ilango பூங்கொடி=poongodi அருள்=arul முல்லை=mullai'),
    family: words('தோட்டக்காரன்=thottakkaran மருதன்=marudhan செந்தாமரை=senthamarai'),
  },
  {
    greeting: 'হ্যালো',
    cities: ['সিলেট', 'কলকাতা'],
    given: words('শিউলি=shiuli অর্ক=arka বকুল=bakul তিস্তা=tista রুদ্র=rudra'),
    family: words('বাগচী=bagchi পদ্মনাভ=padmanabha ঘোষাল=ghoshal'),
  },
  {
    greeting: 'สวัสดี',
    cities: ['เชียงใหม่', 'ขอนแก่น'],
    given: words('มะลิ=mali ชบา=chaba ภูผา=phupha น้ำฝน=namfon ธนา=thana'),
    family: words('สวนสวย=suansuay ดอกแก้ว=dokkaew ป่าไพร=paphrai'),
  },
  {
    greeting: 'ሰላም',
    cities: ['ባሕር ዳር', 'ጎንደር'],
    given: words('ሰላማዊት=selamawit አበባ=abeba ዳዊት=dawit ፀሐይ=tsehay'),
    family: words('ገበየሁ=gebeyehu ወርቁ=worku ተስፋዬ=tesfaye'),
  },
  {
    greeting: 'Բարեւ',
    cities: ['Գյումրի', 'Դիլիջան'],
    given: words('Անահիտ=anahit Վարդան=vardan Ծովինար=tsovinar Արեգ=areg'),
    family: words('Այգեստանյան=aygestanyan Ծաղիկյան=tsaghikyan Պարտիզպան=partizpan'),
  },
  {
    greeting: 'Hello 🌿',
    cities: ['Brighton & Hove', 'Reykjavík 🌋'],
    given: words('Fern🌿=fern Daisy🌼=daisy Olive🫒=olive Basil👨🏽‍🌾=basil'),
    family: words('Greenfinger=greenfinger Underwood=underwood Moss-Lee=mosslee'),
  },
]
